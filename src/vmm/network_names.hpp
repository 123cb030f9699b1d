// SPDX-License-Identifier: Apache-2.0
// What each network of a VM is called and addressed by: its TAP's name and its MAC, given or made. Pure, and the same at every start.
#pragma once
#include <string>
#include <vector>

#include "base/error.hpp"
#include "vmm/plan.hpp"

namespace vmline::vmm {

struct NetworkDevice {
  std::string tap;  ///< given, or "vl" and 13 characters from the VM's machine id (its name where there is none yet) and the index
  std::string mac;  ///< given, or 52:54:00 and three bytes of the SHA-256 of NAME, for the second network and on of NAME/INDEX
  friend bool operator==(const NetworkDevice&, const NetworkDevice&) = default;
};

/// In the order of the spec. An error where two would be the same, or a TAP's name does not fit.
[[nodiscard]] Result<std::vector<NetworkDevice>> network_devices(const api::Spec& spec);

/// The same as the plan's TAPs.
[[nodiscard]] Result<std::vector<Tap>> plan_taps(const api::Spec& spec);

}  // namespace vmline::vmm
