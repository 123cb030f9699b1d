// SPDX-License-Identifier: Apache-2.0
// Where the programs are that a VM needs: its monitor, virtiofsd. One that is named must be good; of those that PATH offers, one that
// cannot even say its version is passed over.
#pragma once
#include <string>
#include <vector>

#include "base/error.hpp"
#include "wire/api/spec.hpp"

namespace vmline::vmm {

struct FoundProgram {
  std::string path;                     ///< empty: the driver has none
  std::string version{};                ///< as it says itself; empty: it was not asked
  std::vector<std::string> warnings{};  ///< of programs passed over
};

/// By spec.binary (for driver exec its command), the driver's variable (VMLINE_CLOUD_HYPERVISOR, VMLINE_QEMU, VMLINE_FIRECRACKER), PATH,
/// /usr/bin, /usr/local/bin.
[[nodiscard]] Result<FoundProgram> find_monitor(const api::Spec& spec, const std::vector<std::string>& environment);

/// By spec.virtiofsd, VMLINE_VIRTIOFSD, PATH, and the folders where distributions put it, as it is no program for people.
[[nodiscard]] Result<std::string> find_virtiofsd(const api::Spec& spec, const std::vector<std::string>& environment);

}  // namespace vmline::vmm
