// SPDX-License-Identifier: Apache-2.0
// Columns of text.
#include "cli/table.hpp"

#include <gtest/gtest.h>

namespace vmline::cli {
namespace {

TEST(Table, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({"NAME", "STATE", "NOTE"});
  table.add({"web1", "running", ""});
  table.add({"a-long-name", "stopped", "power-button"});
  EXPECT_EQ(table.text(),
            "NAME         STATE    NOTE\n"
            "web1         running\n"
            "a-long-name  stopped  power-button\n");
}

TEST(Table, CountsCharactersNotBytes) {
  Table table({"A", "B"});
  table.add({"\xe2\x80\x93", "x"});
  table.add({"--", "x"});
  EXPECT_EQ(table.text(), "A   B\n\xe2\x80\x93   x\n--  x\n");
}

TEST(Table, NothingToShowIsNoText) { EXPECT_EQ(Table({"NAME"}).text(), ""); }

}  // namespace
}  // namespace vmline::cli
