// SPDX-License-Identifier: Apache-2.0
// How far did a write to the log come, whose writer was killed, where others may have truncated the log before or after it? Decided from
// what was noted before the write, from size and position now, and from the log's tail beside the spool. Pure.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/units.hpp"

namespace vmline::line {

/// Noted before the write. A length of 0: no write was under way.
struct WriteNote {
  Offset journaled = 0;        ///< of the first byte that was to be written
  std::uint64_t log_size = 0;  ///< where the log ended, and so where the write was to begin
  std::uint64_t length = 0;    ///< bytes that were to be written
};

struct LogSeen {
  std::uint64_t size = 0;  ///< now
  /// Of the open file description that wrote. It was set to 0 after the note before, so that 0 says: nothing was written; else it is where
  /// the write ended. Nothing: that description is gone.
  std::optional<std::uint64_t> position;
};

/// What of log and spool is needed to decide, so that no more is read.
struct EvidenceWindow {
  std::uint64_t log_begin = 0;
  std::uint64_t log_end = 0;
  Range spool;
};
/// `spool_holds` is [low, head).
EvidenceWindow evidence_window(const WriteNote& note, const LogSeen& seen, Range spool_holds);

struct Recovered {
  Offset journaled = 0;      ///< J
  std::uint64_t start = 0;   ///< what was written of it stands in the log from here on, and ends at end()
  std::uint64_t before = 0;  ///< what stood in the log before the write still does, below here
  [[nodiscard]] std::uint64_t end(const WriteNote& note) const { return start + (journaled - note.journaled); }
};

/// `log` and `spool` are the bytes of the window. Where the evidence fits several stories, the first of these: nobody truncated the log;
/// somebody truncated it to nothing before the write; as many bytes as still stand in the log were written. What may be lost by a wrong
/// guess is then only what is not in the log any more. Where it fits none, somebody else wrote there, and all is written again behind it.
Recovered recover_write(const WriteNote& note, const LogSeen& seen, const EvidenceWindow& window, std::span<const std::byte> log,
                        std::span<const std::byte> spool);

}  // namespace vmline::line
