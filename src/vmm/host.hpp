// SPDX-License-Identifier: Apache-2.0
// What a start depends on and only the host can tell: the monitor's program, KVM, and whether the files that a spec names can be read.
#pragma once
#include <string>
#include <vector>

#include "base/error.hpp"
#include "vmm/driver.hpp"

namespace vmline::vmm {

/// Looks for the programs (program.hpp), for KVM and vhost-net. `environment`: NAME=VALUE entries, the processes' too. An error says where
/// was looked.
[[nodiscard]] Result<Host> probe_host(const api::Spec& spec, std::vector<std::string> environment);

/// Before anything is made: files there and readable ("kernel /x: No such file or directory"), disks what they are said to be, socket paths
/// that fit.
[[nodiscard]] Result<> check_files(const api::Spec& spec, const Endpoints& endpoints);

/// probe_host, check_files and the driver's plan, in one.
[[nodiscard]] Result<Plan> make_plan(const api::Spec& spec, const Endpoints& endpoints, std::vector<std::string> environment);

}  // namespace vmline::vmm
