// SPDX-License-Identifier: Apache-2.0
// What a journal knows and does inside; for journal.cpp, journal_take_up.cpp and journal_write.cpp only. Each write goes: note what is
// about to be written (LINE.note, on tmpfs) → write → see by the position where it ended → index, where that was not where it should be →
// note that it is done. The index is always written before a note that builds on it, so that whoever comes after a SIGKILL finds in note,
// log and index all there is to know.
#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "line/history.hpp"
#include "line/journal_recovery.hpp"
#include "os/index_file.hpp"
#include "os/journal.hpp"
#include "os/journal_note.hpp"
#include "os/log_file.hpp"

namespace vmline::os {

struct Journal::State {
  static constexpr std::uint64_t nothing_cut = ~std::uint64_t{0};

  State(Options o, JournalNoteFile n, IndexFile i, UniqueFd s)
      : options(std::move(o)), note(std::move(n)), index(std::move(i)), spool(std::move(s)), buffer(limits::journal_write) {}

  Result<> start(const wire::holder::LineNote& content, UniqueFd kept_log);
  Result<> start_anew(const LogFacts& facts);
  Result<> take_up(const wire::holder::JournalNote& noted, const LogFacts& facts, std::optional<std::uint64_t> position);
  Result<line::Recovered> recover(const line::WriteNote& noted, Offset head, std::optional<std::uint64_t> position);
  void record(const line::Record& one);
  void run_locked(std::uint64_t position);
  void record_locked(const line::Record& one);
  Result<> record_now(const line::Record& one);
  Result<> flush();
  Result<> settle();
  Result<bool> follow_path();
  Result<std::uint64_t> reconcile();
  Result<> give_up(Offset low);
  Result<> reserve(Offset upto);
  Result<std::uint64_t> write(std::uint64_t size, std::size_t length);
  static Time now() { return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now()); }
  void publish() { published.store(journaled, std::memory_order_release); }

  const Options options;
  JournalNoteFile note;
  IndexFile index;
  UniqueFd spool;

  // The appending thread's own.
  std::vector<std::byte> buffer;
  LogFacts file;  ///< which file the log is; its size is not kept up
  Offset journaled = 0;
  std::uint64_t expected = 0;  ///< where the log should end
  Offset ceiling = 0;          ///< synced by this process
  bool settled = false;        ///< the note says that no write is under way, and nothing waits for the index
  std::chrono::steady_clock::time_point next_path_check{};

  std::atomic<Offset> published{0};
  std::atomic<std::uint64_t> generation{0};

  /// Held over a write to the log and the taking in of where it ended: whoever has it sees log and history agree. Taken before state_mutex.
  mutable std::mutex write_mutex;
  /// Never held over anything that touches a disk.
  mutable std::mutex state_mutex;
  line::History history;
  std::uint64_t version = 0;         ///< of the history; appending where it was expected does not change it
  std::uint64_t left = nothing_cut;  ///< a reader found the log cut off here, or above
  std::shared_ptr<UniqueFd> log;
};

}  // namespace vmline::os
