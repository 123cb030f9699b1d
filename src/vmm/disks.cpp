// SPDX-License-Identifier: Apache-2.0
// See disks.hpp.
#include "vmm/disks.hpp"

namespace vmline::vmm {

const api::Disk* root_disk_of(const api::Spec& spec) {
  if (spec.root_disk) return &*spec.root_disk;
  return spec.disks.empty() ? nullptr : &spec.disks.front();
}

std::vector<api::Disk> disks_of(const api::Spec& spec, const Endpoints& endpoints) {
  std::vector<api::Disk> out;
  const api::Disk* root = root_disk_of(spec);
  if (root) out.push_back(*root);
  if (!endpoints.seed.empty()) out.push_back({endpoints.seed, "raw", true});
  for (const api::Disk& disk : spec.disks) {
    if (&disk != root) out.push_back(disk);
  }
  return out;
}

}  // namespace vmline::vmm
