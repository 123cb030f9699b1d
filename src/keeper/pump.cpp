// SPDX-License-Identifier: Apache-2.0
// Upstream → spool; see pump.hpp.
#include "keeper/pump.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>

namespace vmline::keeper {
namespace {

using namespace std::chrono_literals;

/// Bytes moved in one call, and before others get their turn.
constexpr std::size_t chunk = 256u << 10;
constexpr std::size_t turn = 1u << 20;

// The adaptive pause begins after so many wake-ups in a row that came so soon and brought so little, and ends when one brings next to
// nothing: an echo is never delayed, a flood is taken a thousand times a second.
constexpr unsigned quick_runs = 16;
constexpr auto quick_within = 400us;
constexpr std::size_t quick_bytes = 1024;
constexpr std::size_t flood_bytes = 32;
constexpr auto pause = 1ms;

}  // namespace

Pump::Pump(boost::asio::io_context& loop, os::Spool& spool, JournalThread* journal, line::FlowSettings settings)
    : loop_(loop), spool_(spool), journal_(journal), flow_(settings), timer_(loop) {}

void Pump::connect(std::unique_ptr<Upstream> upstream) {
  upstream_ = std::move(upstream);
  upstream_->on_readable = [this] { run(); };
  run();
}

void Pump::apply(const line::Flow::Decision& decision) {
  Offset low = spool_.low();
  if (decision.given_up > 0) {
    if (given_up_.empty()) given_up_.begin = decision.low - decision.given_up;
    given_up_.end = decision.low;
  }
  if (decision.low <= low) return;
  // In this order: the journal re-checks `low` after it has read, the next keeper finds it in the note, and only then pages go.
  if (journal_) journal_->raise_low(decision.low);
  spool_.raise_low(decision.low);
  spool_.punch({low, decision.low});
}

void Pump::note_gap_end() {
  if (given_up_.empty() || flow_.giving_up()) return;
  if (on_gap) on_gap(given_up_);
  given_up_ = {};
}

std::optional<std::uint64_t> Pump::room() {
  Offset head = spool_.head();
  auto decision = flow_.decide(spool_.low(), head, journal_ ? journal_->journaled() : head, std::chrono::steady_clock::now());
  apply(decision);
  note_gap_end();
  if (decision.room > 0) return decision.room;
  stall(decision.until);
  return std::nullopt;
}

void Pump::stall(std::optional<line::Flow::Clock> until) {
  stalled_ = true;
  if (journal_) journal_->ask_progress();
  timer_.expires_at(until ? *until : std::chrono::steady_clock::now() + 50ms);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) run();
  });
}

Pump::Moved Pump::full(const Error& error) {
  if (error.number() != ENOSPC && error.number() != ENOMEM && error.number() != EDQUOT) {
    if (!in_trouble_ && on_trouble) on_trouble(error.sentence());
    in_trouble_ = true;
    stall(std::nullopt);
    return Moved::no_room;
  }
  if (!in_trouble_ && on_trouble) on_trouble(error.sentence());
  in_trouble_ = true;
  Offset head = spool_.head();
  auto decision = flow_.full(spool_.low(), head, journal_ ? journal_->journaled() : head, std::chrono::steady_clock::now());
  bool freed = decision.low > spool_.low();
  apply(decision);
  // Where nothing could be freed the tmpfs is full of others' pages: wait for them.
  if (decision.room > 0 && freed) return Moved::some;
  stall(decision.until);
  return Moved::no_room;
}

Pump::Moved Pump::step(std::size_t& bytes) {
  auto free = room();
  if (!free) return Moved::no_room;
  auto moved = upstream_->pump(spool_, std::min<std::uint64_t>(*free, chunk));
  if (!moved) return full(moved.error());
  if (*moved == 0) return Moved::nothing;
  in_trouble_ = false;
  bytes += *moved;
  return Moved::some;
}

bool Pump::drain() {
  if (!upstream_) return true;
  std::size_t bytes = 0;
  Moved last = Moved::some;
  while (last == Moved::some) last = step(bytes);
  if (bytes > 0 && on_head) on_head(spool_.head());
  return last == Moved::nothing;
}

void Pump::run() {
  if (!upstream_) return;
  stalled_ = false;
  timer_.cancel();
  std::size_t bytes = 0;
  Moved last = Moved::some;
  while (last == Moved::some && bytes < turn) last = step(bytes);
  if (bytes > 0 && on_head) on_head(spool_.head());
  if (last == Moved::no_room) return;  // the timer or the journal's progress brings us back
  if (last == Moved::some) {
    if (scheduled_) return;
    scheduled_ = true;
    boost::asio::post(loop_, [this] {
      scheduled_ = false;
      run();
    });
    return;
  }
  wait(bytes);
}

void Pump::wait(std::size_t bytes) {
  auto now = std::chrono::steady_clock::now();
  bool quick = bytes > 0 && bytes < quick_bytes && now - last_run_ < quick_within;
  last_run_ = now;
  quick_ = quick ? quick_ + 1 : 0;
  pausing_ = pausing_ ? bytes >= flood_bytes && bytes < upstream_->pipe_size() / 4 : quick_ >= quick_runs;
  if (!pausing_) return upstream_->wait();
  timer_.expires_after(pause);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) run();
  });
}

}  // namespace vmline::keeper
