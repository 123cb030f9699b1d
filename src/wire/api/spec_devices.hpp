// SPDX-License-Identifier: Apache-2.0
// The parts of a spec that are devices, to and from JSON: disks, networks, shares, what a seed is made of. What one value may be is decided
// here; what they are together, in spec_checks.hpp.
#pragma once
#include "wire/api/json_reader.hpp"
#include "wire/api/spec.hpp"

namespace vmline::api {

/// All fields of the spec that are devices: root_disk, seed, cloud_init, disks, networks, shares. One that is there replaces what `spec`
/// had of it, but for cloud_init, whose fields do so one by one.
void read_devices(ObjectReader& in, Spec& spec);
void write_devices(const Spec& spec, json::object& out);

/// A network interface's name, of a TAP or bridge: what the kernel takes, and is no pattern to it.
[[nodiscard]] bool is_interface_name(std::string_view name);

}  // namespace vmline::api
