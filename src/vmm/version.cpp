// SPDX-License-Identifier: Apache-2.0
// See version.hpp.
#include "vmm/version.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace vmline::vmm {

std::optional<Version> version_of(std::string_view text) {
  Version version;
  const char* end = text.data() + text.size();
  auto [dot, error] = std::from_chars(text.data(), end, version.major);
  if (error != std::errc() || dot == end || *dot != '.') return std::nullopt;
  if (std::from_chars(dot + 1, end, version.minor).ec != std::errc()) return std::nullopt;
  return version;
}

std::string version_in(std::string_view answer) {
  std::string_view rest = answer.substr(0, answer.find('\n'));
  while (!rest.empty()) {
    std::string_view word = rest.substr(0, rest.find_first_of(" \t\r"));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    if (word.starts_with('v')) word.remove_prefix(1);
    if (version_of(word)) return std::string(word);
  }
  return {};
}

Result<> check_version(const TakenVersions& taken, std::string_view version, const std::vector<std::string>& environment) {
  auto parsed = version_of(version);
  if (!parsed || *parsed >= taken.oldest || std::ranges::count(environment, "VMLINE_ANY_VERSION=1") > 0) return {};
  return fail(
      fmt::format("{} {} is older than {}.{}, the oldest that vmline takes (tested: {}): install a newer one, or insist with "
                  "VMLINE_ANY_VERSION=1",
                  taken.program, version, taken.oldest.major, taken.oldest.minor, taken.tested));
}

}  // namespace vmline::vmm
