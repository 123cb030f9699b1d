// SPDX-License-Identifier: Apache-2.0
// Which driver is meant; see driver.hpp.
#include "vmm/driver.hpp"

#include "base/check.hpp"
#include "vmm/cloud_hypervisor/cloud_hypervisor.hpp"
#include "vmm/exec/exec.hpp"
#include "vmm/firecracker/firecracker.hpp"
#include "vmm/qemu/qemu.hpp"

namespace vmline::vmm {

std::unique_ptr<Driver> make_driver(api::DriverKind kind) {
  switch (kind) {
    case api::DriverKind::cloud_hypervisor: return cloud_hypervisor::make_driver();
    case api::DriverKind::qemu: return qemu::make_driver();
    case api::DriverKind::firecracker: return firecracker::make_driver();
    case api::DriverKind::exec: return exec::make_driver();
    case api::DriverKind::none: return exec::make_foreign_driver();
  }
  CHECK(false);
}

namespace {

std::unexpected<Error> cannot(const std::string& what) { return fail("this monitor cannot " + what, ErrorKind::conflict); }

}  // namespace

asio::awaitable<Result<>> Monitor::pause() { co_return cannot("pause its guest"); }
asio::awaitable<Result<>> Monitor::resume() { co_return cannot("resume its guest"); }
asio::awaitable<Result<>> Monitor::nmi() { co_return cannot("send an NMI"); }
asio::awaitable<Result<>> Monitor::send_break(std::string line) { co_return cannot("send a break on line " + line); }

}  // namespace vmline::vmm
