// SPDX-License-Identifier: Apache-2.0
// See process_place.hpp.
#include "vmm/process_place.hpp"

namespace vmline::vmm {

std::string netns_path(const std::string& netns) {
  return netns.empty() || netns.find('/') != std::string::npos ? netns : "/run/netns/" + netns;
}

std::string cgroup_path(const std::string& cgroup) {
  return cgroup.empty() || cgroup.starts_with('/') ? cgroup : "/sys/fs/cgroup/" + cgroup;
}

void put_in_place(Process& process, const api::Spec& spec) {
  process.directory = spec.directory.empty() ? "/" : spec.directory;
  process.netns = netns_path(spec.netns);
  process.cgroup = cgroup_path(spec.cgroup);
  process.uid = spec.uid;
  process.gid = spec.gid;
}

}  // namespace vmline::vmm
