// SPDX-License-Identifier: Apache-2.0
// What is printed and how it looks: colours on a terminal only, and none where NO_COLOR is set (no-color.org).
#pragma once
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

namespace vmline::cli {

enum class Style { plain, coloured };

/// How text may look on this descriptor.
[[nodiscard]] Style style_of(int fd);

[[nodiscard]] std::string dim(std::string_view text, Style style);
[[nodiscard]] std::string red(std::string_view text, Style style);

/// To stdout. A reader that has left ends the program by SIGPIPE, as everywhere.
void print(std::string_view text);
/// One JSON document and a line's end.
void print_json(const boost::json::value& value);
/// One line on stderr, beginning with "vmline: ".
void complain(std::string_view sentence);

/// "2026-01-01T00:00:00.000000Z" as "3m", how long ago that was; "" where it is no time.
[[nodiscard]] std::string age(std::string_view time);
/// 123456 as "120.6K".
[[nodiscard]] std::string short_size(std::uint64_t bytes);

}  // namespace vmline::cli
