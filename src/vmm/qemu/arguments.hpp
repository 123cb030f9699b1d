// SPDX-License-Identifier: Apache-2.0
// QEMU's command line, for its machines q35 and microvm. Pure.
#pragma once
#include <string>
#include <vector>

#include "base/error.hpp"
#include "vmm/driver.hpp"

namespace vmline::vmm::qemu {

/// An error says what the machine has no room for.
[[nodiscard]] Result<std::vector<std::string>> command_arguments(const api::Spec& spec, const Endpoints& endpoints, const Host& host,
                                                                 bool kvm);

/// A line's chardev: what QMP calls it by.
[[nodiscard]] std::string chardev_id(std::string_view line_name);

}  // namespace vmline::vmm::qemu
