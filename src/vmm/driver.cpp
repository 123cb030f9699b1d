// SPDX-License-Identifier: Apache-2.0
// Which driver is meant; see driver.hpp.
#include "vmm/driver.hpp"

#include "base/check.hpp"
#include "vmm/cloud_hypervisor/cloud_hypervisor.hpp"
#include "vmm/exec/exec.hpp"
#include "vmm/qemu/qemu.hpp"

namespace vmline::vmm {

std::unique_ptr<Driver> make_driver(api::DriverKind kind) {
  switch (kind) {
    case api::DriverKind::cloud_hypervisor: return cloud_hypervisor::make_driver();
    case api::DriverKind::qemu: return qemu::make_driver();
    case api::DriverKind::exec: return exec::make_driver();
    case api::DriverKind::none: return exec::make_foreign_driver();
  }
  CHECK(false);
}

}  // namespace vmline::vmm
