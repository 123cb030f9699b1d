// SPDX-License-Identifier: Apache-2.0
// Sizes and durations as people write them: "512M", "10s". For the command line and for specs.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace vmline::api {

/// Bytes: decimal digits and at most one of K, M, G, T (powers of 1024, either case). "512M" is 536870912.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);
/// The shortest text that parse_size reads back as exactly this: 536870912 is "512M", 1000 is "1000".
[[nodiscard]] std::string format_size(std::uint64_t bytes);

/// Decimal digits and one of ms, s, m, h; digits alone are seconds. At most limits::duration_max.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);
/// The shortest text that parse_duration reads back as exactly this: "500ms", "10s".
[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration);

}  // namespace vmline::api
