// SPDX-License-Identifier: Apache-2.0
// Where a VM's processes run, by its spec: working directory, network namespace, cgroup, user. The same for monitor and sidecars. Pure.
#pragma once
#include <string>

#include "vmm/plan.hpp"

namespace vmline::vmm {

/// A name without a slash is one under /run/netns; empty stays empty.
[[nodiscard]] std::string netns_path(const std::string& netns);
/// What does not begin with a slash lies under /sys/fs/cgroup; empty stays empty.
[[nodiscard]] std::string cgroup_path(const std::string& cgroup);

/// Fills directory, netns, cgroup, uid and gid.
void put_in_place(Process& process, const api::Spec& spec);

}  // namespace vmline::vmm
