// SPDX-License-Identifier: Apache-2.0
// The VM as JSON for vm.create: never as comma strings. Pure.
#pragma once
#include <boost/json/object.hpp>

#include "base/error.hpp"
#include "vmm/plan.hpp"

namespace vmline::vmm::cloud_hypervisor {

[[nodiscard]] Result<boost::json::object> vm_config(const api::Spec& spec, const Endpoints& endpoints);

}  // namespace vmline::vmm::cloud_hypervisor
