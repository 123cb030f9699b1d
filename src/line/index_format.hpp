// SPDX-License-Identifier: Apache-2.0
// LINE.idx: what a line's log cannot say by itself. An append-only file of checksummed records; a record that was torn by a crash ends
// what is valid. docs/journal-format.md specifies it for other programs. Pure: bytes in, records out, and back.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <variant>

#include "base/error.hpp"
#include "base/units.hpp"

namespace vmline::line {

/// A boot of the guest: where it begins on the line.
struct Boot {
  std::uint64_t number = 0;  ///< from 1
  Offset offset = 0;
  Offset offset_low = 0;  ///< the earliest it can be; equal to `offset` when that is exact
  Time time;
  std::string cause;
  friend bool operator==(const Boot&, const Boot&) = default;
};

/// Offsets whose bytes the log lacks; an empty range stands for bytes that were lost there in unknown number and took no offsets.
struct Gap {
  Range range;
  Time time;
  std::string cause;
  friend bool operator==(const Gap&, const Gap&) = default;
};

/// From `position` of the log on stand the line's bytes from `offset` on, until another record says otherwise. What earlier runs put at
/// `before` and above is there no more; what lies between `before` and `position` was written by somebody else.
struct Run {
  std::uint64_t position = 0;
  std::uint64_t before = 0;
  Offset offset = 0;
  std::uint64_t inode = 0;  ///< of the log
  Time time;
  friend bool operator==(const Run&, const Run&) = default;
};

/// The line stopped here and all of it was written: it goes on at this very offset.
struct End {
  Offset offset = 0;
  Time time;
  friend bool operator==(const End&, const End&) = default;
};

/// Offsets below this may have been told to clients: after a power loss the line goes on above.
struct Ceiling {
  Offset offset = 0;
  friend bool operator==(const Ceiling&, const Ceiling&) = default;
};

using Record = std::variant<Boot, Gap, Run, End, Ceiling>;

inline constexpr std::size_t index_header_size = 32;

/// The header of a new index.
std::string index_header();
/// The record's bytes. A cause is cut where the record would exceed limits::index_record.
std::string encode_record(const Record& record);

/// Whether an index of this program begins here; the error says what it is instead. Needs index_header_size bytes.
Result<> check_index_header(std::span<const std::byte> data);

struct Parsed {
  std::size_t valid = 0;  ///< bytes of whole, sound records
  bool damaged = false;   ///< what follows them is no record; false: they end here, or in the middle of one that may go on
};
/// Hands out the records in `data` (which begins behind the header, or behind records already parsed) in order. Records of a type that is
/// not known are skipped, and so is what a later version added to the end of one that is.
Parsed parse_records(std::span<const std::byte> data, const std::function<void(Record)>& found);

}  // namespace vmline::line
