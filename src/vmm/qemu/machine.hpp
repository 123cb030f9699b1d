// SPDX-License-Identifier: Apache-2.0
// What differs between QEMU's machines: the names of virtio devices, and how many there is room for. Pure.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"

namespace vmline::vmm::qemu {

/// q35 has PCI and firmware as a PC has. microvm has neither: virtio over MMIO, an ISA serial port, ACPI for the power button, and no
/// SMBIOS, so that its guest is not told its machine id.
class Machine {
 public:
  enum class Kind { q35, microvm };
  [[nodiscard]] static Result<Machine> named(const std::string& name);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] std::string option(bool kvm, bool shared_memory) const;
  [[nodiscard]] std::ptrdiff_t serial_ports() const { return kind_ == Kind::q35 ? 4 : 1; }
  /// The value of -device for a virtio device such as "virtio-blk"; it is counted.
  [[nodiscard]] std::string device(std::string_view name, std::initializer_list<std::pair<std::string_view, std::string_view>> values);
  /// An error where more devices were made than there is room for.
  [[nodiscard]] Result<> check_room() const;

 private:
  explicit Machine(Kind kind) : kind_(kind) {}
  Kind kind_;
  int devices_ = 0;
};

}  // namespace vmline::vmm::qemu
