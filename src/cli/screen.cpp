// SPDX-License-Identifier: Apache-2.0
// What an attached user sees; see screen.hpp.
#include "cli/screen.hpp"

#include <fmt/format.h>

#include "cli/terminal.hpp"

namespace vmline::cli {

std::string Screen::filtered(std::string_view data) {
  std::string out;
  filter_.feed(data, out);
  if (!out.empty()) at_line_begin_ = out.ends_with('\n');
  return out;
}

void Screen::begin_line() {
  seeking_line_ = false;
  beginning_.clear();
}

std::string Screen::show(std::string_view data) {
  if (kind_ == Kind::stream) return std::string(data);
  if (!seeking_line_) return filtered(data);
  beginning_ += data;
  std::size_t end = beginning_.find('\n');
  if (end == std::string::npos && beginning_.size() < longest_beginning) return "";
  seeking_line_ = false;
  std::string shown = std::exchange(beginning_, {});
  return filtered(end == std::string::npos || end >= longest_beginning ? shown : shown.substr(end + 1));
}

std::string Screen::end_replay() {
  if (kind_ == Kind::stream) return "";
  seeking_line_ = false;
  std::string rest = filtered(std::exchange(beginning_, {}));
  filter_.go_live();
  return rest;
}

std::string Screen::tell(std::string_view what) {
  if (kind_ == Kind::stream) return "";
  std::string line = fmt::format("{}\x1b[0;2m── {} ──\x1b[0m\r\n", at_line_begin_ ? "\r" : "\r\n", what);
  at_line_begin_ = true;
  return line;
}

std::string Screen::leave() const {
  if (kind_ == Kind::stream) return "";
  return fmt::format("{}{}", terminal_reset, at_line_begin_ ? "" : "\r\n");
}

}  // namespace vmline::cli
