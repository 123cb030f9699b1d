// SPDX-License-Identifier: Apache-2.0
// See machine.hpp.
#include "vmm/qemu/machine.hpp"

#include <fmt/format.h>

#include "vmm/qemu/quote.hpp"

namespace vmline::vmm::qemu {
namespace {

// What QEMU 7.2 takes: 32 slots of the PCI bus less the host bridge and the ICH9; microvm's virtio-mmio transports with ACPI.
constexpr int q35_slots = 30;
constexpr int microvm_transports = 24;

}  // namespace

Result<Machine> Machine::named(const std::string& name) {
  if (name == "q35") return Machine(Kind::q35);
  if (name == "microvm") return Machine(Kind::microvm);
  return fail(fmt::format("machine {}: QEMU's q35 and microvm are known here", name), ErrorKind::usage);
}

std::string Machine::option(bool kvm, bool shared_memory) const {
  std::string out = qemu::option(kind_ == Kind::q35 ? "q35" : "microvm", {{"accel", kvm ? "kvm" : "tcg"}});
  // No PCI bus, but a COM1, and the ACPI that microvm's guests are shut down by.
  // Its devices are told to Linux by ACPI, the last transport first, which is also the one that QEMU fills first.
  if (kind_ == Kind::microvm) out += ",acpi=on,isa-serial=on,pcie=off";
  // What a kernel can set its clock by where there is no kvm-clock.
  if (kind_ == Kind::microvm && !kvm) out += ",pit=on,pic=on,rtc=on";
  if (shared_memory) out += ",memory-backend=memory";
  return out;
}

std::string Machine::device(std::string_view name, std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  std::string out = qemu::option(std::string(name) + (kind_ == Kind::q35 ? "-pci" : "-device"), values);
  ++devices_;
  return out;
}

Result<> Machine::check_room() const {
  const int room = kind_ == Kind::q35 ? q35_slots : microvm_transports;
  if (devices_ <= room) return {};
  return fail(fmt::format("{} has room for {} disks, networks, shares and console devices, and {} are asked for",
                          kind_ == Kind::q35 ? "q35's PCI bus" : "microvm", room, devices_),
              ErrorKind::usage);
}

}  // namespace vmline::vmm::qemu
