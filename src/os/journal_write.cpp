// SPDX-License-Identifier: Apache-2.0
// How a journal writes log, index and note, in that order of trust; see journal_state.hpp.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "os/journal_state.hpp"

namespace vmline::os {

void Journal::State::record(const line::Record& one) {
  std::lock_guard state_lock(state_mutex);
  record_locked(one);
}

void Journal::State::record_locked(const line::Record& one) {
  history.apply(one);
  ++version;
  index.add(one);
  settled = false;
}

/// The next byte stands, or will stand, at this position.
void Journal::State::run_locked(std::uint64_t position) {
  record_locked(line::Run{position, std::min({position, expected, left}), journaled, file.inode, now()});
  left = nothing_cut;
  expected = position;
}

Result<> Journal::State::flush() {
  return index.flush([this] {
    std::lock_guard state_lock(state_mutex);
    return history.records();
  });
}

Result<> Journal::State::record_now(const line::Record& one) {
  if (index.crowded()) TRY(flush());
  record(one);
  return flush();
}

/// Nothing waits for the index, the note says that no write is under way, and the description's position is back at 0, in this order.
Result<> Journal::State::settle() {
  if (settled) return {};
  TRY(flush());
  TRY(note.write({journaled, expected, 0, 0, file.device, file.inode}));
  if (::lseek(log->get(), 0, SEEK_SET) != 0) return fail_errno("set position of log " + options.log_path);
  settled = true;
  return {};
}

/// Says in the index when the log does not end where it should: somebody truncated it, or added to it.
Result<std::uint64_t> Journal::State::reconcile() {
  TRY_ASSIGN(LogFacts facts, log_facts(log->get(), options.log_path));
  std::lock_guard state_lock(state_mutex);
  if (facts.size == expected && history.continues_at(expected, journaled)) return facts.size;
  run_locked(facts.size);
  return facts.size;
}

/// True when the log is another file now.
Result<bool> Journal::State::follow_path() {
  auto time = std::chrono::steady_clock::now();
  if (time < next_path_check) return false;
  next_path_check = time + options.path_check;
  struct stat st{};
  if (::stat(options.log_path.c_str(), &st) == 0) {
    if (file.same_file({st.st_dev, st.st_ino, 0, 0})) return false;
  } else if (errno != ENOENT && errno != ENOTDIR) {
    return false;
  }
  auto reopened = open_log(options.log_path);
  if (!reopened) {
    TRY_ASSIGN(LogFacts old, log_facts(log->get(), options.log_path));
    if (old.names > 0) return false;  // moved to where another cannot be made: better there than nowhere
    return std::unexpected(reopened.error());
  }
  TRY_ASSIGN(LogFacts facts, log_facts(reopened->get(), options.log_path));
  {
    std::scoped_lock both(write_mutex, state_mutex);
    log = std::make_shared<UniqueFd>(std::move(*reopened));
    file = facts;
    left = 0;  // nothing of the old one is in it
    run_locked(facts.size);
  }
  generation.fetch_add(1, std::memory_order_acq_rel);
  return true;
}

Result<> Journal::State::give_up(Offset low) {
  {
    std::lock_guard state_lock(state_mutex);
    record_locked(line::Gap{{journaled, low}, now(), std::string(line::cause_behind)});
    journaled = low;
    run_locked(expected);
  }
  publish();
  return settle();
}

Result<> Journal::State::reserve(Offset upto) {
  if (upto <= ceiling) return {};
  TRY(record_now(line::Ceiling{upto}));
  TRY(index.sync());
  ceiling = upto;
  return {};
}

/// Writes the buffer's first bytes behind the log's `size` bytes.
Result<std::uint64_t> Journal::State::write(std::uint64_t size, std::size_t length) {
  TRY(note.write({journaled, size, 0, length, file.device, file.inode}));
  settled = false;
  {
    std::lock_guard write_lock(write_mutex);
    ssize_t n = ::write(log->get(), buffer.data(), length);
    if (n < 0 && errno == EINTR) return 0;
    if (n < 0) return fail_errno("write log " + options.log_path);
    off_t at = ::lseek(log->get(), 0, SEEK_CUR);
    if (at < n) return fail_errno("look at position of log " + options.log_path);
    auto written = static_cast<std::uint64_t>(n);
    auto start = static_cast<std::uint64_t>(at) - written;
    std::lock_guard state_lock(state_mutex);
    if (!history.continues_at(start, journaled)) run_locked(start);
    expected = start + written;
    journaled += written;
    history.advance(journaled);
    publish();
    length = written;
  }
  TRY(settle());
  return length;
}

}  // namespace vmline::os
