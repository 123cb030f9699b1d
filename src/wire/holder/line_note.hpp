// SPDX-License-Identifier: Apache-2.0
// LINE.note: the few numbers of a line that the kernel does not count by itself. A file beside the spool, on tmpfs, of fixed layout; each
// part is changed by one pwrite inside one page, which a SIGKILL cannot cut in two. Libc alone: the holder reads and raises `low` as well.
#pragma once
#include <cstddef>
#include <cstdint>

namespace vmline::wire::holder {

inline constexpr std::uint64_t note_magic = 0x3145544f4e4c4d56;  // "VMLNOTE1"

/// Written by the journal's disk thread before and after each write to the log.
struct JournalNote {
  std::uint64_t journaled = 0;     ///< J: the offset up to which the journal had the line
  std::uint64_t log_size = 0;      ///< the log's size then, bytes
  std::uint64_t log_position = 0;  ///< of the log's open file description then: set back to 0, so that 0 still says: nothing was written
  std::uint64_t length = 0;        ///< bytes that the write was going to append; 0: no write is under way, and J is right
  std::uint64_t log_device = 0;
  std::uint64_t log_inode = 0;
};

struct LineNote {
  std::uint64_t magic = note_magic;
  std::uint64_t base = 0;  ///< the offset at which this spool began
  std::uint64_t reserved[6] = {};
  JournalNote journal;  ///< at byte 64
  std::uint64_t reserved2[2] = {};
  std::uint64_t low = 0;  ///< at byte 128: the spool holds [low, its size); raised before anything below it is punched out
  std::uint64_t reserved3[7] = {};
};
static_assert(offsetof(LineNote, journal) == 64 && offsetof(LineNote, low) == 128 && sizeof(LineNote) == 192);

}  // namespace vmline::wire::holder
