// SPDX-License-Identifier: Apache-2.0
// Reads a journal that nobody writes; see journal_reader.hpp.
#include "os/journal_reader.hpp"

#include <algorithm>
#include <cerrno>

#include "os/index_file.hpp"
#include "os/log_file.hpp"

namespace vmline::os {

Result<JournalReader> JournalReader::open(const std::string& log_path, const std::string& index_path) {
  line::History history;
  if (auto read = IndexFile::read(index_path, [&](line::Record record) { history.apply(record); }); !read) {
    return std::unexpected(read.error().number() == ENOENT ? read.error().as(ErrorKind::not_found) : read.error());
  }
  auto log = open_log_to_read(log_path);
  if (!log && log.error().number() != ENOENT) return std::unexpected(log.error());
  LogFacts facts;
  if (log) {
    TRY_ASSIGN(facts, log_facts(log->get(), log_path));
  }
  if (log && history.stands_in(facts.inode, facts.size)) {
    history.settle(facts.size);
  } else {
    history.cut(0, line::cause_replaced, {});
  }
  return JournalReader(log ? std::move(*log) : UniqueFd(), log_path, std::move(history));
}

Result<ReadResult> JournalReader::read(Offset from, std::span<std::byte> out) const {
  auto located = history_.locate(from);
  if (auto* lost = std::get_if<line::Lost>(&located)) return ReadResult(std::move(*lost));
  auto* found = std::get_if<line::InLog>(&located);
  if (!found || out.empty()) return ReadResult(line::NotYet{});
  std::size_t wanted = std::min<std::uint64_t>(found->length, out.size());
  TRY_ASSIGN(std::size_t got, read_at(log_.get(), out.first(wanted), found->position, "log " + log_path_));
  // What is being cut off reads as NUL.
  TRY_ASSIGN(LogFacts facts, log_facts(log_.get(), log_path_));
  std::uint64_t left = facts.size > found->position ? facts.size - found->position : 0;
  if (std::size_t sound = std::min<std::uint64_t>(got, left); sound > 0) return ReadResult(ReadBytes{sound});
  return ReadResult(line::Lost{{from, from + found->length}, std::string(line::cause_truncated)});
}

Result<Offset> line_start(const std::string& index_path, const std::string& log_path) {
  auto reader = JournalReader::open(log_path, index_path);
  if (reader) return reader->next_start();
  if (reader.error().kind() == ErrorKind::not_found) return 0;
  if (reader.error().kind() == ErrorKind::conflict || reader.error().number() != 0) return std::unexpected(reader.error());
  // The index is no index any more. At least as many bytes were sent as the log still has.
  TRY_ASSIGN(UniqueFd log, open_log_to_read(log_path));
  TRY_ASSIGN(LogFacts facts, log_facts(log.get(), log_path));
  return facts.size;
}

}  // namespace vmline::os
