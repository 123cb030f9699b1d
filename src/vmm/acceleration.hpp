// SPDX-License-Identifier: Apache-2.0
// Whether KVM is used. Pure. A /dev/kvm that opens is no proof: under a paravirtual KVM (no vmx or svm among the CPU's flags) a stock
// kernel can hang after "Booting from ROM", so auto takes KVM only where the CPU offers it.
#pragma once
#include <string>

#include "base/error.hpp"
#include "vmm/driver.hpp"

namespace vmline::vmm {

struct Acceleration {
  bool kvm = false;
  std::string warning;  ///< empty: none
};

/// For a monitor that can also emulate (QEMU). An error only where KVM is demanded and does not open.
[[nodiscard]] Result<Acceleration> choose_acceleration(const std::string& wanted, const Host& host);

/// For a monitor that needs KVM: `program` names it.
[[nodiscard]] Result<Acceleration> require_kvm(const std::string& wanted, const Host& host, const std::string& program);

}  // namespace vmline::vmm
