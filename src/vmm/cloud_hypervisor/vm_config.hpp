// SPDX-License-Identifier: Apache-2.0
// The VM as JSON for vm.create: never as comma strings. Pure.
#pragma once
#include <boost/json/object.hpp>

#include "base/error.hpp"
#include "vmm/plan.hpp"

namespace vmline::vmm::cloud_hypervisor {

/// With spec.monitor_config laid over it as a JSON Merge Patch: an array of its, such as "disks", takes the place of ours.
[[nodiscard]] Result<boost::json::object> vm_config(const api::Spec& spec, const Endpoints& endpoints);

}  // namespace vmline::vmm::cloud_hypervisor
