// SPDX-License-Identifier: Apache-2.0
// See acceleration.hpp.
#include "vmm/acceleration.hpp"

namespace vmline::vmm {
namespace {

constexpr const char* doubtful = "/dev/kvm opens, but the CPU's flags have neither vmx nor svm: a stock kernel can hang under such a KVM";

}  // namespace

Result<Acceleration> choose_acceleration(const std::string& wanted, const Host& host) {
  if (wanted == "tcg") return Acceleration{};
  if (wanted == "kvm") {
    if (!host.kvm_opens) return fail("open /dev/kvm: " + host.kvm_error + " (acceleration auto or tcg goes without)");
    return Acceleration{true, host.cpu_virtualizes ? "" : doubtful};
  }
  return Acceleration{host.kvm_opens && host.cpu_virtualizes, ""};
}

Result<Acceleration> require_kvm(const std::string& wanted, const Host& host, const std::string& program) {
  if (wanted == "tcg") return fail(program + " cannot emulate: acceleration tcg needs driver qemu", ErrorKind::usage);
  if (!host.kvm_opens) return fail(program + " needs KVM: open /dev/kvm: " + host.kvm_error + " (driver qemu goes without)");
  return Acceleration{true, host.cpu_virtualizes ? "" : doubtful};
}

}  // namespace vmline::vmm
