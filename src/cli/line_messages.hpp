// SPDX-License-Identifier: Apache-2.0
// What comes on a line's stream (docs/control-api.md), as values. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.hpp"
#include "base/units.hpp"

namespace vmline::cli {

struct LineOpened {
  Offset offset = 0;  ///< of the first byte that follows
  Offset head = 0;
  std::uint64_t boot = 0;
};
struct LineBytes {
  Offset offset = 0;
  std::string data;
};
struct LineReplayEnded {
  Offset offset = 0;
};
struct LineBoot {
  std::uint64_t number = 0;
  Offset offset = 0;
  std::string time;
  std::string cause;
};
struct LineGap {
  Range range;
  std::string cause;
};
struct LineWriter {
  std::string writer;
  bool you = false;
};
struct LineRefused {
  std::string detail;
};
struct LineClosing {
  std::string reason;
};
using LineMessage = std::variant<LineOpened, LineBytes, LineReplayEnded, LineBoot, LineGap, LineWriter, LineRefused, LineClosing>;

/// A text message; nothing for an event that this version does not know.
Result<std::optional<LineMessage>> parse_line_event(std::string_view text);

// As people read them, without the dashes around: "boot 3 · guest reboot · offset 123456".
[[nodiscard]] std::string notice(const LineBoot& boot);
[[nodiscard]] std::string notice(const LineGap& gap);

}  // namespace vmline::cli
