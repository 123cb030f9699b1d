// SPDX-License-Identifier: Apache-2.0
// The Firecracker driver: its serial port on two FIFOs, the VM by requests on its API socket, a guest's reboot as the process's end.
#pragma once
#include <memory>

#include "vmm/driver.hpp"

namespace vmline::vmm::firecracker {

[[nodiscard]] std::unique_ptr<Driver> make_driver();

// The parts of it.
[[nodiscard]] Result<Plan> make_plan(const api::Spec& spec, const Endpoints& endpoints, const Host& host);
[[nodiscard]] std::vector<StopStep> make_stop_steps(const api::Spec& spec);
[[nodiscard]] std::unique_ptr<Monitor> make_monitor(const MonitorContext& context);

}  // namespace vmline::vmm::firecracker
