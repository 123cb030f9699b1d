// SPDX-License-Identifier: Apache-2.0
// The JSON that the control API speaks: events, a stream's text messages, problems. What guests and monitors say can be any bytes; what
// leaves here is UTF-8, because a WebSocket client must hang up on anything else in a text message.
#pragma once
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "keeper/service.hpp"

namespace vmline::keeper {

/// The text with U+FFFD in place of each byte that is no UTF-8.
[[nodiscard]] std::string valid_utf8(std::string text);

[[nodiscard]] std::string to_text(const json::value& value);

/// "sequence", "time", "type", then the event's own fields.
[[nodiscard]] json::object to_json(const Event& event);

/// An item of a line's stream as docs/control-api.md writes it. Bytes are not for this.
[[nodiscard]] json::object to_json(const StreamItem& item);

/// application/problem+json (RFC 9457).
[[nodiscard]] std::string problem(unsigned status, std::string_view title, std::string_view sentence);

[[nodiscard]] unsigned status_of(ErrorKind kind);

}  // namespace vmline::keeper
