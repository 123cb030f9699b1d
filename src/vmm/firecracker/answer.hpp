// SPDX-License-Identifier: Apache-2.0
// What Firecracker's API answers, read: its refusals, its VM's state.
#pragma once
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "vmm/driver.hpp"

namespace vmline::vmm::firecracker {

/// "Start microvm error: Cannot start microvm without kernel configuration.", from {"fault_message": …}.
[[nodiscard]] std::string refusal(std::string_view body);
/// From the answer to GET /. Not started is GuestState::created: whether it is complete, GET /vm/config tells.
[[nodiscard]] Result<GuestState> state_in(std::string_view body);
/// From the answer to GET /vm/config: whether the boot source is there, which is the last thing that it is told.
[[nodiscard]] bool is_configured(std::string_view body);

}  // namespace vmline::vmm::firecracker
