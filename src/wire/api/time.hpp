// SPDX-License-Identifier: Apache-2.0
// Times as they are written everywhere: RFC 3339, UTC, microseconds. "2026-01-01T00:00:00.000000Z".
#pragma once
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/units.hpp"

namespace vmline::api {

[[nodiscard]] std::string format_time(Time time);
/// Reads what format_time writes, with no or up to nine digits of a second's fraction.
[[nodiscard]] Result<Time> parse_time(std::string_view text);

}  // namespace vmline::api
