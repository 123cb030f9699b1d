// SPDX-License-Identifier: Apache-2.0
// vmline.host/v1: what every VM of a host has where its spec does not say otherwise, and what no VM may exceed. docs/spec.md.
#pragma once
#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "wire/api/spec.hpp"

namespace vmline::api {

inline constexpr const char* host_schema = "vmline.host/v1";

struct HostLimits {
  std::optional<std::uint32_t> cpus;    ///< of one VM
  std::optional<std::uint64_t> memory;  ///< bytes, of one VM
  std::optional<std::uint32_t> disks;   ///< of one VM: root disk and data disks
  std::optional<std::uint32_t> vms;     ///< that run at a time
};

struct HostFile {
  boost::json::object defaults;  ///< fields of a spec, read once already: they are good
  HostLimits limits;
};

[[nodiscard]] Result<HostFile> parse_host_file(std::string_view text);

/// A spec of defaults alone, for a VM of this driver: what it has no use for is left out, and so is what was given otherwise. `given` are
/// the fields that the user gives: a kernel or firmware of theirs takes the place of the defaults' own, a seed that of cloud_init. binary,
/// monitor_args and monitor_config are meant for the driver that the defaults name (or qemu), and for no other. Relative paths
/// are from `folder`.
[[nodiscard]] Spec spec_of_defaults(const HostFile& host, DriverKind driver, const std::set<std::string>& given, std::string_view folder);
/// The driver that the defaults name; qemu where they name none.
[[nodiscard]] DriverKind default_driver(const HostFile& host);

/// "4 cpus are more than the 2 of limits/cpus". Of the limit on VMs, see check_vms.
[[nodiscard]] Result<> check_limits(const HostLimits& limits, const Spec& spec);
/// `running`: how many others run.
[[nodiscard]] Result<> check_vms(const HostLimits& limits, std::size_t running);

}  // namespace vmline::api
