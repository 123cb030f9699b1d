// SPDX-License-Identifier: Apache-2.0
// A VM's identity; see machine_id.hpp.
#include "cli/machine_id.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <array>
#include <span>

#include "wire/api/spec_checks.hpp"
#include "wire/api/spec_json.hpp"

namespace vmline::cli {

Result<std::string> make_machine_id() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return fail_errno("make a machine id");
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  std::span<const unsigned char> all(bytes);
  auto hex = [&](std::size_t from, std::size_t count) { return fmt::format("{:02x}", fmt::join(all.subspan(from, count), "")); };
  return fmt::format("{}-{}-{}-{}-{}", hex(0, 4), hex(4, 2), hex(6, 2), hex(8, 2), hex(10, 6));
}

Result<> keep_machine_id(api::Spec& spec, std::string_view stored) {
  if (!spec.machine_id.empty() || !api::is_for("machine_id", spec.driver)) return {};
  if (auto before = api::parse_spec(stored); before && !before->machine_id.empty()) {
    spec.machine_id = before->machine_id;
    return {};
  }
  TRY_ASSIGN(spec.machine_id, make_machine_id());
  return {};
}

}  // namespace vmline::cli
