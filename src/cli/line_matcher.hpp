// SPDX-License-Identifier: Apache-2.0
// Looks for a regular expression (RE2) in a guest's output, line by line, whatever pieces it comes in.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "cli/plain_text.hpp"

namespace re2 {
class RE2;
}

namespace vmline::cli {

/// Lines are plain text (plain_text.hpp) without their ends. The line that has not ended yet is looked at by quiet() alone: so what matches
/// depends on the bytes, not on how they were cut.
class LineMatcher {
 public:
  /// Bytes of a line that are looked at; a longer one is looked at in pieces of this length.
  static constexpr std::size_t longest_line = 64 << 10;

  static Result<LineMatcher> create(std::string_view pattern);
  LineMatcher(LineMatcher&&) noexcept;
  LineMatcher& operator=(LineMatcher&&) noexcept;
  ~LineMatcher();

  /// The first line that matches, if one ends in `data`. What follows it is not looked at.
  std::optional<std::string> feed(std::string_view data);
  /// Nothing has come for a while: the line that was begun, if it matches. A prompt never ends its line.
  [[nodiscard]] std::optional<std::string> quiet() const;

 private:
  explicit LineMatcher(std::unique_ptr<re2::RE2> pattern);
  std::unique_ptr<re2::RE2> pattern_;
  PlainText text_;
  std::string line_;  ///< what has come of the line under way
};

}  // namespace vmline::cli
