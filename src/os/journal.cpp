// SPDX-License-Identifier: Apache-2.0
// One line's durable log: what others call; see journal.hpp, and journal_state.hpp for how it is done.
#include "os/journal.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "os/journal_state.hpp"

namespace vmline::os {

namespace {

/// `low` as it was after everything this thread did before: what is read next to a punch must be known not to be below it.
Offset look_at(const std::atomic<Offset>& low) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return low.load(std::memory_order_seq_cst);
}

}  // namespace

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}
Journal::~Journal() = default;

Result<std::uint64_t> Journal::append(Offset upto, const std::atomic<Offset>& low) {
  State& s = *state_;
  TRY(s.settle());
  TRY_ASSIGN(bool moved, s.follow_path());
  if (moved) {
    TRY(s.settle());
    return 0;
  }
  std::uint64_t total = 0;
  while (true) {
    if (Offset floor = look_at(low); floor > s.journaled) TRY(s.give_up(floor));
    if (s.journaled >= upto) return total;
    TRY_ASSIGN(std::uint64_t size, s.reconcile());
    std::uint64_t most = std::min<std::uint64_t>(upto - s.journaled, limits::journal_write);
    // Never more than the log has: then a write after a truncation to nothing always ends where no other can have ended.
    if (size > 0) most = std::min(most, size);
    TRY_ASSIGN(std::size_t got, read_at(s.spool.get(), std::span(s.buffer).first(most), s.journaled, "spool " + s.options.spool_path));
    if (got == 0) return fail("spool " + s.options.spool_path + " ends before what is to be journaled");
    if (look_at(low) > s.journaled) continue;  // some of it may have been punched out before it was read
    if (s.journaled + got > s.ceiling) TRY(s.reserve(s.journaled + got + limits::journal_reserve));
    TRY(s.settle());
    TRY_ASSIGN(std::uint64_t written, s.write(size, got));
    total += written;
  }
}

Result<> Journal::record_boot(const line::Boot& boot) { return state_->record_now(boot); }

Result<> Journal::record_loss(Offset at, std::string_view cause) {
  return state_->record_now(line::Gap{{at, at}, State::now(), std::string(cause)});
}

Result<> Journal::record_end(Offset offset) {
  State& s = *state_;
  if (offset > s.journaled) TRY(s.give_up(offset));
  if (::fdatasync(s.log->get()) != 0) return fail_errno("sync log " + s.options.log_path);
  TRY(s.record_now(line::End{offset, State::now()}));
  s.ceiling = 0;
  return s.index.sync();
}

Result<> Journal::reserve(Offset ceiling) { return state_->reserve(ceiling); }

Result<> Journal::sync() {
  State& s = *state_;
  if (::fdatasync(s.log->get()) != 0) return fail_errno("sync log " + s.options.log_path);
  TRY(s.flush());
  return s.index.sync();
}

Result<ReadResult> Journal::read(Offset from, std::span<std::byte> out) const {
  State& s = *state_;
  while (true) {
    std::unique_lock state_lock(s.state_mutex);
    auto located = s.history.locate(from);
    if (auto* lost = std::get_if<line::Lost>(&located)) return ReadResult(std::move(*lost));
    auto* found = std::get_if<line::InLog>(&located);
    if (!found || out.empty()) return ReadResult(line::NotYet{});
    auto log = s.log;
    auto version = s.version;
    state_lock.unlock();

    std::size_t wanted = std::min<std::uint64_t>(found->length, out.size());
    TRY_ASSIGN(std::size_t got, read_at(log->get(), out.first(wanted), found->position, "log " + s.options.log_path));

    // Bytes that a later write put in their place were written, and taken in, by whoever holds this: so they are seen here.
    std::lock_guard write_lock(s.write_mutex);
    state_lock.lock();
    if (version != s.version) continue;
    TRY_ASSIGN(LogFacts facts, log_facts(log->get(), s.options.log_path));
    if (got == wanted && facts.size >= found->position + wanted) return ReadResult(ReadBytes{wanted});
    // Truncated, and nothing was appended since. (What is cut off while it is read reads as NUL: never hand that out.)
    std::uint64_t left = std::min(facts.size, found->position + got);
    s.history.cut(left, line::cause_truncated, State::now());
    s.left = std::min(s.left, left);
    ++s.version;
  }
}

int Journal::log_fd() const {
  std::lock_guard state_lock(state_->state_mutex);
  return state_->log->get();
}

std::uint64_t Journal::log_generation() const { return state_->generation.load(std::memory_order_acquire); }
Offset Journal::journaled() const { return state_->published.load(std::memory_order_acquire); }

std::vector<line::Boot> Journal::boots() const {
  std::lock_guard state_lock(state_->state_mutex);
  return state_->history.boots();
}

std::optional<line::Boot> Journal::boot(std::uint64_t number) const {
  std::lock_guard state_lock(state_->state_mutex);
  return state_->history.boot(number);
}

std::optional<line::Boot> Journal::last_boot() const {
  std::lock_guard state_lock(state_->state_mutex);
  const auto& boots = state_->history.boots();
  return boots.empty() ? std::nullopt : std::optional(boots.back());
}

std::vector<line::Gap> Journal::gaps() const {
  std::lock_guard state_lock(state_->state_mutex);
  return state_->history.gaps();
}

std::vector<line::Gap> Journal::losses() const {
  std::lock_guard state_lock(state_->state_mutex);
  return state_->history.losses();
}

line::History::GapTotals Journal::gap_totals() const {
  std::lock_guard state_lock(state_->state_mutex);
  return state_->history.gap_totals();
}

Offset Journal::first_kept() const {
  std::lock_guard state_lock(state_->state_mutex);
  return state_->history.first_kept();
}

}  // namespace vmline::os
