// SPDX-License-Identifier: Apache-2.0
// What Cloud Hypervisor's API answers, read: its refusals as sentences (text up to v46, a JSON array of causes later), its VM's state.
#pragma once
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "vmm/driver.hpp"
#include "vmm/unix_http.hpp"

namespace vmline::vmm::cloud_hypervisor {

/// "The VM could not boot: Cannot load the kernel into memory: …"
[[nodiscard]] std::string refusal(std::string_view body);
/// From the answer to vm.info.
[[nodiscard]] Result<GuestState> state_in(const HttpAnswer& info);

}  // namespace vmline::vmm::cloud_hypervisor
