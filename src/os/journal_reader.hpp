// SPDX-License-Identifier: Apache-2.0
// Reads a line's journal by offset when nobody writes it: that of a stopped VM, for the CLI and for the line's next start.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "base/units.hpp"
#include "line/history.hpp"

namespace vmline::os {

/// So many bytes were read into what the caller gave: at least 1.
struct ReadBytes {
  std::size_t length = 0;
};
using ReadResult = std::variant<ReadBytes, line::Lost, line::NotYet>;

/// Takes no lock and changes nothing.
class JournalReader {
 public:
  /// An absent index is an error of kind not_found; an absent log is one whose bytes are all lost.
  static Result<JournalReader> open(const std::string& log_path, const std::string& index_path);

  /// As Journal::read.
  Result<ReadResult> read(Offset from, std::span<std::byte> out) const;
  [[nodiscard]] const std::vector<line::Boot>& boots() const { return history_.boots(); }
  [[nodiscard]] std::optional<line::Boot> boot(std::uint64_t number) const { return history_.boot(number); }
  [[nodiscard]] std::vector<line::Gap> gaps() const { return history_.gaps(); }
  [[nodiscard]] const std::vector<line::Gap>& losses() const { return history_.losses(); }
  /// The oldest offset that the log still has; end() when it has none.
  [[nodiscard]] Offset first_kept() const { return history_.first_kept(); }
  /// NotYet from here on.
  [[nodiscard]] Offset end() const { return history_.end(); }
  /// Where the line would go on.
  [[nodiscard]] Offset next_start() const { return history_.next_start(); }

 private:
  JournalReader(UniqueFd log, std::string log_path, line::History history)
      : log_(std::move(log)), log_path_(std::move(log_path)), history_(std::move(history)) {}
  UniqueFd log_;
  std::string log_path_;
  line::History history_;
};

/// Where a line goes on when no spool is left: after a clean end at its offset, else above all offsets that may have been told
/// (Journal::open then records the gap). 0 where there is no index.
Result<Offset> line_start(const std::string& index_path, const std::string& log_path);

}  // namespace vmline::os
