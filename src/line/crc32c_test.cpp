// SPDX-License-Identifier: Apache-2.0
// The checksum against the published vectors.
#include "line/crc32c.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string_view>

namespace vmline::line {
namespace {

TEST(Crc32c, IsTheOneOfRfc3720) {
  std::string_view digits = "123456789";
  EXPECT_EQ(crc32c(std::as_bytes(std::span(digits))), 0xe3069283u);
  std::array<std::byte, 32> zeros{};
  EXPECT_EQ(crc32c(zeros), 0x8a9136aau);
  EXPECT_EQ(crc32c({}), 0u);
}

}  // namespace
}  // namespace vmline::line
