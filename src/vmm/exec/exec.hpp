// SPDX-License-Identifier: Apache-2.0
// Commands instead of monitors: driver exec runs one with its stdin and stdout on the line; driver none runs nothing at all.
#pragma once
#include <memory>

#include "vmm/driver.hpp"

namespace vmline::vmm::exec {

[[nodiscard]] std::unique_ptr<Driver> make_driver();
/// Somebody else runs the monitor: the lines are dialled or listened for, and that is all.
[[nodiscard]] std::unique_ptr<Driver> make_foreign_driver();

}  // namespace vmline::vmm::exec
