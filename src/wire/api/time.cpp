// SPDX-License-Identifier: Apache-2.0
// RFC 3339 times; see time.hpp.
#include "wire/api/time.hpp"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

namespace vmline::api {
namespace {

/// Takes `digits` digits and then the character `after` off the front of `text`; false where they are not there.
bool take(std::string_view& text, std::size_t digits, char after, unsigned& value) {
  if (text.size() <= digits || text[digits] != after) return false;
  auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc{} || end != text.data() + digits) return false;
  text.remove_prefix(digits + 1);
  return true;
}

bool take_fraction(std::string_view text, std::chrono::nanoseconds& fraction) {
  if (text.empty() || text.size() > 9) return false;
  std::int64_t value = 0;
  for (std::size_t i = 0; i < 9; ++i) {
    char c = i < text.size() ? text[i] : '0';
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  fraction = std::chrono::nanoseconds(value);
  return true;
}

}  // namespace

std::string format_time(Time time) {
  auto day = std::chrono::floor<std::chrono::days>(time);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::microseconds>(time - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

Result<Time> parse_time(std::string_view text) {
  std::string_view rest = text;
  unsigned year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  std::chrono::nanoseconds fraction{0};
  bool whole = take(rest, 4, '-', year) && take(rest, 2, '-', month) && take(rest, 2, 'T', day) && take(rest, 2, ':', hour) &&
               take(rest, 2, ':', minute);
  bool good = whole && take(rest, 2, 'Z', second) && rest.empty();
  if (whole && !good) {
    good = take(rest, 2, '.', second) && rest.ends_with('Z') && take_fraction(rest.substr(0, rest.size() - 1), fraction);
  }
  std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)), std::chrono::month(month), std::chrono::day(day)};
  // Nanoseconds since 1970 in 64 bits reach from 1678 to 2262.
  if (!good || !date.ok() || hour > 23 || minute > 59 || second > 59 || year < 1700 || year > 2200) {
    return fail(fmt::format("\"{}\" is not a time such as 2026-01-01T00:00:00Z", text.substr(0, 40)), ErrorKind::usage);
  }
  return Time(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second) +
         fraction;
}

}  // namespace vmline::api
