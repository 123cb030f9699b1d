// SPDX-License-Identifier: Apache-2.0
// One line's durable log: copies the spool into an O_APPEND file that holds the guest's bytes and nothing else, each exactly once over
// SIGKILLs at any instruction and over truncations by others, and finds bytes in it by offset. docs/journal-format.md specifies the files.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "base/units.hpp"
#include "line/history.hpp"
#include "line/index_format.hpp"
#include "os/journal_reader.hpp"

namespace vmline::os {

/// Every call may block on the disk for as long as the disk likes: for disk threads only, all of one descriptor table, the destructor
/// included. The exceptions say so. append, record_…, reserve and sync are for one thread; read is for any disk thread at any time.
class Journal {
 public:
  struct Options {
    std::string log_path;
    std::string index_path;
    std::string note_path;
    std::string spool_path;
    std::chrono::milliseconds path_check{1000};  ///< how often append looks whether the log was moved or deleted
  };

  /// Waits for the journal's lock (on an own open of LINE.note): a predecessor whose last write still hangs in the kernel must have ended.
  /// Opens log and index, making them where they are missing, and finds J. `kept_log` is the description by which the journal last wrote,
  /// as the holder kept it, or none; never an older one. What is at the log's path and no plain file is refused with a sentence.
  static Result<std::unique_ptr<Journal>> open(Options options, UniqueFd kept_log);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// The log's description, for the holder to keep. It becomes another one when the log was moved or deleted by somebody: append then
  /// returns early, with log_generation() changed, so that the new one can be held before anything is written by it.
  [[nodiscard]] int log_fd() const;
  /// 0: it is kept_log, as it was given to open. Any thread; never blocks.
  [[nodiscard]] std::uint64_t log_generation() const;

  /// J: up to here the journal has the line, or knows what it lacks. Any thread; never blocks.
  [[nodiscard]] Offset journaled() const;

  /// Copies what the spool has in [J, upto) into the log. What lies below `low` when it is about to be written is a gap, recorded in the
  /// index: whoever raises `low` does so before anything below it is punched out. Returns the bytes written; call again while journaled()
  /// is below upto. ENOSPC, EDQUOT, EIO, … come as errors with nothing lost: call again later.
  Result<std::uint64_t> append(Offset upto, const std::atomic<Offset>& low);

  /// A record that found no room on the disk is written with a later one; the error says so.
  Result<> record_boot(const line::Boot& boot);
  /// Bytes were lost at this offset, nobody knows how many, before they got any offsets.
  Result<> record_loss(Offset at, std::string_view cause);
  /// The line stops here for good, or until it is started again: syncs the log, then the index.
  Result<> record_end(Offset offset);
  /// Offsets below `ceiling` may be told from now on: on the disk when it returns.
  Result<> reserve(Offset ceiling);
  /// fdatasync of log and index.
  Result<> sync();

  /// Reads history at an offset, from the log: at most up to the next gap; or tells the gap; NotYet from journaled() on. Never a wrong
  /// byte, also while somebody truncates the log.
  Result<ReadResult> read(Offset from, std::span<std::byte> out) const;

  // Snapshots: any thread; they never block on the disk.
  [[nodiscard]] std::vector<line::Boot> boots() const;
  [[nodiscard]] std::optional<line::Boot> boot(std::uint64_t number) const;
  [[nodiscard]] std::optional<line::Boot> last_boot() const;
  [[nodiscard]] std::vector<line::Gap> gaps() const;
  [[nodiscard]] line::History::GapTotals gap_totals() const;
  /// Gaps whose length nobody knows.
  [[nodiscard]] std::vector<line::Gap> losses() const;
  /// The oldest offset that the log still has; journaled() when it has none.
  [[nodiscard]] Offset first_kept() const;

 private:
  struct State;
  explicit Journal(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace vmline::os
