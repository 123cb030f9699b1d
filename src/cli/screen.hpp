// SPDX-License-Identifier: Apache-2.0
// What an attached user sees: the guest's bytes, its queries taken out of the replay, and one dim line for what happens beside them. Pure.
#pragma once
#include <string>
#include <string_view>

#include "base/units.hpp"
#include "line/query_filter.hpp"

namespace vmline::cli {

class Screen {
 public:
  enum class Kind { terminal, stream };       ///< stream: bytes and nothing else
  enum class Beginning { whole, at_a_line };  ///< at_a_line: leaves out what is left of a line that began before the first byte

  Screen(Kind kind, Beginning beginning) : kind_(kind), seeking_line_(kind == Kind::terminal && beginning == Beginning::at_a_line) {}

  /// Bytes of a line's first piece that are looked through for its end.
  static constexpr std::size_t longest_beginning = 1024;

  /// A line begins with the next byte: nothing of it is left out.
  void begin_line();
  /// What to write for these bytes.
  [[nodiscard]] std::string show(std::string_view data);
  /// From here on it is live.
  [[nodiscard]] std::string end_replay();
  /// What to write for a notice, on a line of its own; nothing on a stream.
  [[nodiscard]] std::string tell(std::string_view what);
  /// What to write at last: the terminal as a shell expects it.
  [[nodiscard]] std::string leave() const;

 private:
  [[nodiscard]] std::string filtered(std::string_view data);

  Kind kind_;
  bool seeking_line_;
  std::string beginning_;  ///< held while its line's end is looked for
  line::QueryFilter filter_;
  bool at_line_begin_ = true;
};

}  // namespace vmline::cli
