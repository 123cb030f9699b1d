// SPDX-License-Identifier: Apache-2.0
// The Cloud Hypervisor driver: serial "Tty" on a FIFO and a pty of ours, the VM as JSON over its API, reboots from its event monitor.
#pragma once
#include <memory>

#include "vmm/driver.hpp"

namespace vmline::vmm::cloud_hypervisor {

[[nodiscard]] std::unique_ptr<Driver> make_driver();

// The parts of it.
[[nodiscard]] Result<Plan> make_plan(const api::Spec& spec, const Endpoints& endpoints, const Host& host);
[[nodiscard]] std::vector<StopStep> make_stop_steps(const api::Spec& spec);
[[nodiscard]] std::unique_ptr<Monitor> make_monitor(const MonitorContext& context);

}  // namespace vmline::vmm::cloud_hypervisor
