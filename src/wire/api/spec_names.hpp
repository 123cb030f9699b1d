// SPDX-License-Identifier: Apache-2.0
// Words of a spec's JSON and what they stand for, both ways, and the rule for names. For the readers and writers of its parts.
#pragma once
#include <algorithm>
#include <array>
#include <string_view>

#include "wire/api/json_reader.hpp"
#include "wire/api/spec.hpp"

namespace vmline::api {

inline constexpr std::array<Choice<DriverKind>, 5> drivers = {{{"qemu", DriverKind::qemu},
                                                               {"cloud-hypervisor", DriverKind::cloud_hypervisor},
                                                               {"firecracker", DriverKind::firecracker},
                                                               {"exec", DriverKind::exec},
                                                               {"none", DriverKind::none}}};
inline constexpr std::array<Choice<UpstreamKind>, 3> upstreams = {
    {{"carried", UpstreamKind::carried}, {"dial", UpstreamKind::dial}, {"listen", UpstreamKind::listen}}};
inline constexpr std::array<Choice<Replay>, 2> replays = {{{"spool", Replay::spool}, {"none", Replay::none}}};
inline constexpr std::array<Choice<Overflow>, 2> overflows = {{{"block", Overflow::block}, {"drop", Overflow::drop}}};
inline constexpr std::array<Choice<Restart>, 3> restarts = {
    {{"never", Restart::never}, {"on-failure", Restart::on_failure}, {"always", Restart::always}}};

/// 1 to `most` of A-Z a-z 0-9 . _ -, the first a letter or digit.
[[nodiscard]] inline bool is_name(std::string_view name, std::size_t most) {
  auto letter_or_digit = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= most && letter_or_digit(name[0]) &&
         std::ranges::all_of(name, [&](char c) { return letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

}  // namespace vmline::api
