// SPDX-License-Identifier: Apache-2.0
// How a journal begins: anew, or where a predecessor was killed; see journal_state.hpp.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "os/files.hpp"
#include "os/journal_state.hpp"

namespace vmline::os {

using wire::holder::JournalNote;

Result<std::unique_ptr<Journal>> Journal::open(Options options, UniqueFd kept_log) {
  TRY_ASSIGN(auto note, JournalNoteFile::open_locked(options.note_path));
  TRY_ASSIGN(auto content, note.read());
  TRY_ASSIGN(UniqueFd spool, open_file("spool", options.spool_path, O_RDONLY | O_NOFOLLOW));
  line::History history;
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
    TRY(take_up(noted, facts, position));
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
    if (history.end() < journaled && history.last_run())
      record(line::Gap{{history.end(), journaled}, now(), std::string(line::cause_restarted)});
  }
  expected = history.end_position().value_or(facts.size);
  return {};
}

/// A predecessor was killed, or ended: its note tells what it was doing.
Result<> Journal::State::take_up(const JournalNote& noted, const LogFacts& facts, std::optional<std::uint64_t> position) {
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

  TRY_ASSIGN(auto found, recover(note_before, head, position));
  if (found.start != noted.log_size || found.before != noted.log_size) {
    record(line::Run{found.start, found.before, noted.journaled, facts.inode, now()});
  }
  history.advance(found.journaled);
  journaled = found.journaled;
  expected = found.end(note_before);
  return {};
}

Result<line::Recovered> Journal::State::recover(const line::WriteNote& noted, Offset head, std::optional<std::uint64_t> position) {
  while (true) {
    TRY_ASSIGN(auto content, note.read());
    TRY_ASSIGN(LogFacts facts, log_facts(log->get(), options.log_path));
    const line::LogSeen seen{facts.size, position};
    auto window = line::evidence_window(noted, seen, {content.low, head});
    std::vector<std::byte> tail(window.log_end - window.log_begin);
    std::vector<std::byte> sent(window.spool.length());
    TRY_ASSIGN(std::size_t tail_size, read_at(log->get(), tail, window.log_begin, "log " + options.log_path));
    TRY_ASSIGN(std::size_t sent_size, read_at(spool.get(), sent, window.spool.begin, "spool " + options.spool_path));
    if (sent_size < sent.size()) return fail("spool " + options.spool_path + " is shorter than it was");
    // Truncated or punched out while it was read: what goes reads as NUL.
    TRY_ASSIGN(facts, log_facts(log->get(), options.log_path));
    TRY_ASSIGN(content, note.read());
    if (tail_size == tail.size() && facts.size >= window.log_end && (sent.empty() || content.low <= window.spool.begin)) {
      return line::recover_write(noted, seen, window, tail, sent);
    }
  }
}

}  // namespace vmline::os
