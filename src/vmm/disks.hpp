// SPDX-License-Identifier: Apache-2.0
// A VM's disks as they stand on its bus, the same under every monitor: root disk, seed, data disks. Pure.
#pragma once
#include <vector>

#include "vmm/plan.hpp"

namespace vmline::vmm {

/// The disk that the guest's root is on: the spec's root disk, else the first of its disks stands in; null: there is none.
[[nodiscard]] const api::Disk* root_disk_of(const api::Spec& spec);

/// All of them: so that the root disk is /dev/vda, with a seed or without. The seed is read-only and raw, and lies at endpoints.seed.
[[nodiscard]] std::vector<api::Disk> disks_of(const api::Spec& spec, const Endpoints& endpoints);

}  // namespace vmline::vmm
