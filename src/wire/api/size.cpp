// SPDX-License-Identifier: Apache-2.0
// Sizes and durations in text; see size.hpp.
#include "wire/api/size.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "base/limits.hpp"

namespace vmline::api {
namespace {

constexpr std::array<std::pair<char, unsigned>, 4> size_units{{{'T', 40}, {'G', 30}, {'M', 20}, {'K', 10}}};

struct Duration {
  std::string_view unit;
  std::uint64_t milliseconds;
};
constexpr std::array<Duration, 4> duration_units{{{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

/// What a refused text looks like in an error: never the whole of something long.
std::string shown(std::string_view text) { return fmt::format("\"{}{}\"", text.substr(0, 40), text.size() > 40 ? "…" : ""); }

/// The leading digits and what follows them; nothing where there are none or they are more than 64 bits hold.
std::optional<std::pair<std::uint64_t, std::string_view>> split(std::string_view text) {
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  return std::pair{number, text.substr(static_cast<std::size_t>(end - text.data()))};
}

std::optional<std::uint64_t> times(std::uint64_t number, std::uint64_t factor) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(number, factor, &product)) return std::nullopt;
  return product;
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  if (auto parts = split(text)) {
    auto [number, unit] = *parts;
    if (unit.empty()) return number;
    for (auto [letter, bits] : size_units) {
      bool same = unit.size() == 1 && (unit[0] == letter || unit[0] == letter + ('a' - 'A'));
      if (!same) continue;
      if (auto bytes = times(number, std::uint64_t{1} << bits)) return *bytes;
    }
  }
  return fail(shown(text) + " is not a size in bytes such as 65536, 512K, 64M or 2G", ErrorKind::usage);
}

std::string format_size(std::uint64_t bytes) {
  for (auto [letter, bits] : size_units) {
    std::uint64_t unit = std::uint64_t{1} << bits;
    if (bytes != 0 && bytes % unit == 0) return fmt::format("{}{}", bytes / unit, letter);
  }
  return fmt::format("{}", bytes);
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (auto parts = split(text)) {
    auto [number, unit] = *parts;
    if (unit.empty()) unit = "s";
    for (const Duration& known : duration_units) {
      if (unit != known.unit) continue;
      auto value = times(number, known.milliseconds);
      if (!value || *value > static_cast<std::uint64_t>(limits::duration_max.count())) {
        return fail(fmt::format("{} is longer than {}", shown(text), format_duration(limits::duration_max)), ErrorKind::usage);
      }
      return std::chrono::milliseconds(*value);
    }
  }
  return fail(shown(text) + " is not a duration such as 500ms, 10s, 5m or 2h", ErrorKind::usage);
}

std::string format_duration(std::chrono::milliseconds duration) {
  auto count = static_cast<std::uint64_t>(duration.count());
  for (const Duration& unit : duration_units) {
    if (count != 0 && count % unit.milliseconds == 0) return fmt::format("{}{}", count / unit.milliseconds, unit.unit);
  }
  return "0s";
}

}  // namespace vmline::api
