// SPDX-License-Identifier: Apache-2.0
// Sentences for failures, and how they are handed on.
#include "base/error.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace vmline {
namespace {

TEST(Error, IsASentenceBuiltOutward) {
  auto error = Error::system("open log /x/serial0.log", EACCES).because("start web1");
  EXPECT_EQ(error.sentence(), "start web1: open log /x/serial0.log: Permission denied");
  EXPECT_EQ(error.number(), EACCES);
}

Result<int> half(int value) {
  if (value % 2) return fail("odd", ErrorKind::usage);
  return value / 2;
}
Result<int> quarter(int value) {
  TRY_ASSIGN(int h, half(value));
  return half(h);
}

TEST(Error, TryHandsTheErrorOn) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().kind(), ErrorKind::usage);
}

}  // namespace
}  // namespace vmline
