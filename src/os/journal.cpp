// SPDX-License-Identifier: Apache-2.0
// One line's durable log; see journal.hpp. Each write goes: note what is about to be written (LINE.note, on tmpfs) → write → see by the
// position where it ended → index, where that was not where it should be → note that it is done. The index is always written before a
// note that builds on it, so that whoever comes after a SIGKILL finds in note, log and index all there is to know.
#include "os/journal.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>

#include "base/limits.hpp"
#include "line/journal_recovery.hpp"
#include "os/files.hpp"
#include "os/index_file.hpp"
#include "os/journal_note.hpp"
#include "os/log_file.hpp"

namespace vmline::os {

using line::History;
using wire::holder::JournalNote;
using Clock = std::chrono::steady_clock;

namespace {

Time now() { return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now()); }

Result<std::size_t> read_at(int fd, std::span<std::byte> out, std::uint64_t position, const std::string& what) {
  while (true) {
    ssize_t n = ::pread(fd, out.data(), out.size(), static_cast<off_t>(position));
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) return fail_errno("read " + what);
  }
}

/// `low` as it was after everything this thread did before: what is read next to a punch must be known not to be below it.
Offset look_at(const std::atomic<Offset>& low) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return low.load(std::memory_order_seq_cst);
}

}  // namespace

struct Journal::State {
  State(Options o, JournalNoteFile n, IndexFile i, UniqueFd s)
      : options(std::move(o)), note(std::move(n)), index(std::move(i)), spool(std::move(s)), buffer(limits::journal_write) {}

  Result<> start(const wire::holder::LineNote& content, UniqueFd kept_log);
  Result<> start_anew(const LogFacts& facts);
  Result<> take_up(const JournalNote& noted, const LogFacts& facts, Offset low, std::optional<std::uint64_t> position);
  Result<line::Recovered> recover(const line::WriteNote& noted, Range spool_holds, std::optional<std::uint64_t> position);
  void record(const line::Record& one);
  void record_locked(const line::Record& one);
  Result<> record_now(const line::Record& one);
  Result<> flush();
  Result<> settle();
  Result<bool> follow_path();
  Result<std::uint64_t> reconcile();
  Result<> give_up(Offset low);
  Result<> reserve(Offset upto);
  Result<std::uint64_t> write(std::uint64_t size, std::size_t length);
  void publish() { published.store(journaled, std::memory_order_release); }

  const Options options;
  JournalNoteFile note;
  IndexFile index;
  UniqueFd spool;

  // The appending thread's own.
  std::vector<std::byte> buffer;
  LogFacts file;  ///< which file the log is; its size is not kept up
  Offset journaled = 0;
  Offset ceiling = 0;  ///< synced by this process
  bool settled = false;  ///< the note says that no write is under way, and nothing waits for the index
  Clock::time_point next_path_check{};

  std::atomic<Offset> published{0};
  std::atomic<std::uint64_t> generation{0};

  /// Held over a write to the log and the taking in of where it ended: whoever has it sees log and history agree. Taken before state_mutex.
  mutable std::mutex write_mutex;
  /// Never held over anything that touches a disk.
  mutable std::mutex state_mutex;
  History history;
  std::uint64_t version = 0;   ///< of the history; appending where it was expected does not change it
  std::uint64_t expected = 0;  ///< where the log should end
  std::shared_ptr<UniqueFd> log;
};

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}
Journal::~Journal() = default;

Result<std::unique_ptr<Journal>> Journal::open(Options options, UniqueFd kept_log) {
  TRY_ASSIGN(auto note, JournalNoteFile::open_locked(options.note_path));
  TRY_ASSIGN(auto content, note.read());
  TRY_ASSIGN(UniqueFd spool, open_file("spool", options.spool_path, O_RDONLY | O_NOFOLLOW));
  History history;
  TRY_ASSIGN(auto index, IndexFile::open(options.index_path, [&](line::Record record) { history.apply(record); }));
  auto state = std::make_unique<State>(std::move(options), std::move(note), std::move(index), std::move(spool));
  state->history = std::move(history);
  TRY(state->start(content, std::move(kept_log)));
  state->publish();
  return std::unique_ptr<Journal>(new Journal(std::move(state)));
}

Result<> Journal::State::start(const wire::holder::LineNote& content, UniqueFd kept_log) {
  const JournalNote& noted = content.journal;
  const LogFacts wrote_to{noted.log_device, noted.log_inode, 0, 0};
  LogFacts facts;
  std::optional<std::uint64_t> position;
  if (kept_log) {
    TRY_ASSIGN(facts, log_facts(kept_log.get(), options.log_path));
    if (facts.same_file(wrote_to)) {
      off_t at = ::lseek(kept_log.get(), 0, SEEK_CUR);
      if (at < 0) return fail_errno("look at position of log " + options.log_path);
      position = static_cast<std::uint64_t>(at);
    } else {
      kept_log.reset();
    }
  }
  if (!kept_log) {
    TRY_ASSIGN(kept_log, open_log(options.log_path));
    TRY_ASSIGN(facts, log_facts(kept_log.get(), options.log_path));
  }
  log = std::make_shared<UniqueFd>(std::move(kept_log));
  file = facts;
  journaled = noted.journaled;
  if (noted.log_inode == 0) {
    TRY(start_anew(facts));
  } else if (facts.same_file(wrote_to)) {
    TRY(take_up(noted, facts, content.low, position));
  } else {
    // The log was moved or deleted while nobody was there. What the last write put into it is not in the new one.
    record(line::Run{facts.size, 0, journaled, facts.inode, now()});
    expected = facts.size;
  }
  generation = position ? 0 : 1;
  // A disk that is full must not keep the line from being taken up: append tries again, and says so.
  if (reconcile()) (void)settle();
  return {};
}

/// The spool is a new one: the line goes on where its base says, whatever the log has.
Result<> Journal::State::start_anew(const LogFacts& facts) {
  if (history.last_run() && !history.stands_in(facts.inode, facts.size)) {
    record(line::Run{facts.size, 0, journaled, facts.inode, now()});
  } else {
    history.settle(facts.size);
    if (history.end() < journaled && history.last_run()) record(line::Gap{{history.end(), journaled}, now(), std::string(line::cause_restarted)});
  }
  expected = history.end_position().value_or(facts.size);
  return {};
}

/// A predecessor was killed, or ended: its note tells what it was doing.
Result<> Journal::State::take_up(const JournalNote& noted, const LogFacts& facts, Offset low, std::optional<std::uint64_t> position) {
  const line::WriteNote note_before{noted.journaled, noted.log_size, noted.length};
  struct stat st{};
  if (::fstat(spool.get(), &st) != 0) return fail_errno("look at spool " + options.spool_path);
  auto head = static_cast<Offset>(st.st_size);
  if (head < noted.journaled) return fail("note " + options.note_path + " and spool " + options.spool_path + " do not belong together");

  // The index was right when the note was written, unless it was damaged or deleted since: then what it does not tell is lost.
  bool agreed = history.agrees(noted.log_size, noted.journaled);
  if (agreed && history.end_position()) history.advance(noted.journaled);
  if (!history.continues_at(noted.log_size, noted.journaled)) {
    std::uint64_t sure = history.last_run() ? history.last_run()->position : 0;
    record(line::Run{noted.log_size, agreed ? noted.log_size : std::min(noted.log_size, sure), noted.journaled, facts.inode, now()});
  }

  TRY_ASSIGN(auto found, recover(note_before, {low, head}, position));
  if (found.start != noted.log_size || found.before != noted.log_size) {
    record(line::Run{found.start, found.before, noted.journaled, facts.inode, now()});
  }
  history.advance(found.journaled);
  journaled = found.journaled;
  expected = found.end(note_before);
  return {};
}

Result<line::Recovered> Journal::State::recover(const line::WriteNote& noted, Range spool_holds, std::optional<std::uint64_t> position) {
  while (true) {
    TRY_ASSIGN(LogFacts facts, log_facts(log->get(), options.log_path));
    const line::LogSeen seen{facts.size, position};
    auto window = line::evidence_window(noted, seen, spool_holds);
    std::vector<std::byte> tail(window.log_end - window.log_begin);
    std::vector<std::byte> sent(window.spool.length());
    TRY_ASSIGN(std::size_t tail_size, read_at(log->get(), tail, window.log_begin, "log " + options.log_path));
    TRY_ASSIGN(std::size_t sent_size, read_at(spool.get(), sent, window.spool.begin, "spool " + options.spool_path));
    if (sent_size < sent.size()) return fail("spool " + options.spool_path + " is shorter than it was");
    // Truncated while it was read: what is cut off reads as NUL.
    TRY_ASSIGN(facts, log_facts(log->get(), options.log_path));
    if (tail_size < tail.size() || facts.size < window.log_end) continue;
    return line::recover_write(noted, seen, window, tail, sent);
  }
}

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
  record_locked(line::Run{facts.size, std::min(facts.size, expected), journaled, file.inode, now()});
  expected = facts.size;
  return facts.size;
}

/// True when the log is another file now.
Result<bool> Journal::State::follow_path() {
  auto time = Clock::now();
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
    record_locked(line::Run{facts.size, 0, journaled, facts.inode, now()});
    expected = facts.size;
  }
  file = facts;
  generation.fetch_add(1, std::memory_order_acq_rel);
  return true;
}

Result<> Journal::State::give_up(Offset low) {
  record(line::Gap{{journaled, low}, now(), std::string(line::cause_behind)});
  journaled = low;
  publish();
  record(line::Run{expected, expected, journaled, file.inode, now()});
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
    if (start != size) record(line::Run{start, std::min(start, size), journaled, file.inode, now()});
    std::lock_guard state_lock(state_mutex);
    expected = start + written;
    journaled += written;
    history.advance(journaled);
    publish();
    length = written;
  }
  TRY(settle());
  return length;
}

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
  return state_->record_now(line::Gap{{at, at}, now(), std::string(cause)});
}

Result<> Journal::record_end(Offset offset) {
  State& s = *state_;
  if (offset > s.journaled) TRY(s.give_up(offset));
  if (::fdatasync(s.log->get()) != 0) return fail_errno("sync log " + s.options.log_path);
  TRY(s.record_now(line::End{offset, now()}));
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
    s.history.cut(left, line::cause_truncated, now());
    s.expected = std::min(s.expected, left);
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

History::GapTotals Journal::gap_totals() const {
  std::lock_guard state_lock(state_->state_mutex);
  return state_->history.gap_totals();
}

Offset Journal::first_kept() const {
  std::lock_guard state_lock(state_->state_mutex);
  return state_->history.first_kept();
}

}  // namespace vmline::os
