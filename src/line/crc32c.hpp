// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli), as in iSCSI, ext4 and btrfs: tells a torn or rotten record of the index from a whole one.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace vmline::line {

std::uint32_t crc32c(std::span<const std::byte> data);

}  // namespace vmline::line
