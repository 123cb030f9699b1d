// SPDX-License-Identifier: Apache-2.0
// The QEMU driver: every line and QMP itself on `-chardev pipe`, started with -S so that the guest's first byte finds everything in place.
#pragma once
#include <memory>

#include "vmm/driver.hpp"

namespace vmline::vmm::qemu {

[[nodiscard]] std::unique_ptr<Driver> make_driver();

// The parts of it.
[[nodiscard]] Result<Plan> make_plan(const api::Spec& spec, const Endpoints& endpoints, const Host& host);
[[nodiscard]] std::vector<StopStep> make_stop_steps(const api::Spec& spec);
[[nodiscard]] std::unique_ptr<Monitor> make_monitor(const MonitorContext& context);

}  // namespace vmline::vmm::qemu
