// SPDX-License-Identifier: Apache-2.0
// SHA-256, to make names and addresses from a VM's name; nothing here guards a secret. Of our own because a crypto library would cost
// every keeper some hundred kB of relocated pages for one hash at its start.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace vmline::vmm {

[[nodiscard]] std::array<std::uint8_t, 32> sha256(std::string_view text);

}  // namespace vmline::vmm
