// SPDX-License-Identifier: Apache-2.0
// Which versions of a monitor vmline takes. Pure.
#pragma once
#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace vmline::vmm {

struct Version {
  unsigned major = 0, minor = 0;
  friend auto operator<=>(const Version&, const Version&) = default;
};
/// Of "53.0-246-gae44c2971": 53.0. Nothing where none stands at the start.
[[nodiscard]] std::optional<Version> version_of(std::string_view text);

/// In what a program says to --version: "53.0-246-gae44c2971" of "cloud-hypervisor v53.0-246-gae44c2971\n…". Empty: there is none.
[[nodiscard]] std::string version_in(std::string_view answer);

struct TakenVersions {
  std::string_view program;  ///< "cloud-hypervisor"
  Version oldest;
  std::string_view tested;  ///< "46.0, 52.0, 53.0"
};
inline constexpr TakenVersions cloud_hypervisor_versions{
    "cloud-hypervisor", {46, 0}, "46.0, 52.0, 53.0 and the development branch after it"};
inline constexpr TakenVersions qemu_versions{"QEMU", {6, 0}, "7.2"};

/// An error where it is older than what vmline takes, unless the environment (NAME=VALUE entries) has VMLINE_ANY_VERSION=1. A version that
/// is unknown is taken.
[[nodiscard]] Result<> check_version(const TakenVersions& taken, std::string_view version, const std::vector<std::string>& environment);

}  // namespace vmline::vmm
