// SPDX-License-Identifier: Apache-2.0
// What a line's log still holds, and where: offsets to positions, boots, gaps. Built from the index's records and kept up to date by
// whoever appends. Pure; where the log's size matters the caller tells it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/units.hpp"
#include "line/index_format.hpp"

namespace vmline::line {

// Causes of gaps, as users read them.
inline constexpr std::string_view cause_truncated = "the log was truncated by someone else";
inline constexpr std::string_view cause_replaced = "the log was moved or deleted by someone else";
inline constexpr std::string_view cause_behind = "the journal could not keep up";
inline constexpr std::string_view cause_restarted = "the host was restarted";
inline constexpr std::string_view cause_unheard = "nobody of vmline was there to hear the monitor";
inline constexpr std::string_view cause_died_unheard = "the monitor ended while nobody of vmline was there, and its pipe with it";
inline constexpr std::string_view cause_no_record = "the index does not say where they are";

struct InLog {
  std::uint64_t position = 0;  ///< in the log
  std::uint64_t length = 0;    ///< bytes that stand there in a row, at least 1
  friend bool operator==(const InLog&, const InLog&) = default;
};
struct Lost {
  Range range;  ///< the whole gap: it may begin before what was asked for
  std::string cause;
  friend bool operator==(const Lost&, const Lost&) = default;
};
struct NotYet {
  friend bool operator==(const NotYet&, const NotYet&) = default;
};
using Located = std::variant<InLog, Lost, NotYet>;

class History {
 public:
  /// Takes a record in, as read from the index or as just decided. The same record again changes nothing.
  void apply(const Record& record);

  /// The log's bytes at `position` and above are there no more: offsets that stood there become a gap.
  void cut(std::uint64_t position, std::string_view cause, Time time);
  /// The last run has come to `end`: called after each write.
  void advance(Offset end);
  /// After the records of an index whose writer is gone: `size` is what the log has now, which is all that is known of the last run's
  /// length, unless the line was ended cleanly.
  void settle(std::uint64_t size);

  /// Whether this is about the file with that inode and size: the one of the last run, or a copy of a log that was ended cleanly.
  [[nodiscard]] bool stands_in(std::uint64_t inode, std::uint64_t size) const;
  /// Whether the byte with this offset would stand at this position, if it were appended now.
  [[nodiscard]] bool continues_at(std::uint64_t position, Offset offset) const;
  /// Whether what is known of the log puts the end of its last bytes there; false: records are missing.
  [[nodiscard]] bool agrees(std::uint64_t position, Offset offset) const;
  /// Where end() stands in the log, while the last run goes on.
  [[nodiscard]] std::optional<std::uint64_t> end_position() const;
  [[nodiscard]] Located locate(Offset offset) const;
  /// Up to where offsets are known: kept or lost.
  [[nodiscard]] Offset end() const { return end_; }
  /// The oldest offset that is still in the log; end() when none is.
  [[nodiscard]] Offset first_kept() const;
  /// Of the last run; nothing when there is none.
  [[nodiscard]] const std::optional<Run>& last_run() const { return last_run_; }

  /// Where a line goes on of which only log and index are left (settled): where it ended cleanly, else above all that may have been told.
  [[nodiscard]] Offset next_start() const;
  /// It was ended, and not begun again.
  [[nodiscard]] bool ended() const { return ended_.has_value(); }

  /// Records that say all of this, for an index that is to be written anew.
  [[nodiscard]] std::vector<Record> records() const;

  [[nodiscard]] const std::vector<Boot>& boots() const { return boots_; }
  [[nodiscard]] std::optional<Boot> boot(std::uint64_t number) const;
  /// Ordered by offset, neighbours of one cause as one.
  [[nodiscard]] std::vector<Gap> gaps() const;
  /// Those of them whose length nobody knows: empty ranges.
  [[nodiscard]] const std::vector<Gap>& losses() const { return losses_; }

  struct GapTotals {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] GapTotals gap_totals() const;

 private:
  /// A stretch of offsets up to the next piece's begin (the last: up to end_), all in the log in a row or all lost.
  struct Piece {
    Offset begin = 0;
    std::optional<std::uint64_t> position;  ///< in the log; none: lost
    Time time;                              ///< of the loss
    std::string cause;
  };

  void apply_boot(const Boot& boot);
  void apply_gap(const Gap& gap);
  void apply_run(const Run& run);
  void apply_end(const End& end);
  void lose(Range range, std::string_view cause, Time time);
  void push_lost(Offset end, std::string_view cause, Time time);
  void forget_from(Offset offset);
  void tidy(std::size_t from);
  void bound();
  [[nodiscard]] Offset piece_end(std::size_t index) const;
  [[nodiscard]] std::size_t piece_of(Offset offset) const;

  std::vector<Piece> pieces_;  ///< contiguous from 0 to end_; positions rise with offsets
  Offset end_ = 0;
  bool open_ = false;  ///< the last piece is in the log and goes on; while records are read, its true end may be beyond end_
  std::optional<Run> last_run_;
  std::optional<End> ended_;
  Offset ceiling_ = 0;
  std::vector<Boot> boots_;  ///< by number
  std::vector<Gap> losses_;  ///< of unknown length, by offset
};

}  // namespace vmline::line
