// SPDX-License-Identifier: Apache-2.0
// What comes on a line's stream, as values; see line_messages.hpp.
#include "cli/line_messages.hpp"

#include <fmt/format.h>

#include "base/limits.hpp"
#include "cli/fields.hpp"
#include "wire/api/json_reader.hpp"

namespace vmline::cli {

Result<std::optional<LineMessage>> parse_line_event(std::string_view text) {
  TRY_ASSIGN(json::value value, api::parse_json(text, limits::websocket_message));
  if (!value.is_object()) return fail("the keeper sent an event that is no object");
  const json::object& event = value.get_object();
  std::string type = text_field(event, "event");
  std::optional<LineMessage> message;
  if (type == "opened") message = LineOpened{number_field(event, "offset"), number_field(event, "head"), number_field(event, "boot")};
  if (type == "replay-ended") message = LineReplayEnded{number_field(event, "offset")};
  if (type == "boot") {
    message = LineBoot{number_field(event, "boot"), number_field(event, "offset"), text_field(event, "time"), text_field(event, "cause")};
  }
  if (type == "gap") message = LineGap{{number_field(event, "begin"), number_field(event, "end")}, text_field(event, "cause")};
  if (type == "writer") message = LineWriter{text_field(event, "writer"), flag_field(event, "you")};
  if (type == "refused") message = LineRefused{text_field(event, "detail")};
  if (type == "closing") message = LineClosing{text_field(event, "reason")};
  return message;
}

std::string notice(const LineBoot& boot) {
  return fmt::format("boot {} · {} · offset {}", boot.number, boot.cause.empty() ? "cause unknown" : boot.cause, boot.offset);
}

std::string notice(const LineGap& gap) {
  if (gap.range.empty()) return fmt::format("gap · bytes are lost, nobody knows how many · offset {} · {}", gap.range.begin, gap.cause);
  return fmt::format("gap · {} bytes are lost · offset {} · {}", gap.range.length(), gap.range.begin, gap.cause);
}

}  // namespace vmline::cli
