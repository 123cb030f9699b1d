// SPDX-License-Identifier: Apache-2.0
// Regular expressions over lines that come in pieces.
#include "cli/line_matcher.hpp"

#include <gtest/gtest.h>

namespace vmline::cli {
namespace {

LineMatcher matcher(std::string_view pattern) {
  auto created = LineMatcher::create(pattern);
  EXPECT_TRUE(created.has_value());
  return std::move(created).value();
}

TEST(LineMatcher, FindsALineWhereverItIsCut) {
  std::string_view data = "booting\r\n\x1b[32mwelcome to \x1b[1mbox7\x1b[0m\r\nmore\n";
  for (std::size_t cut = 0; cut <= data.size(); ++cut) {
    LineMatcher match = matcher("^welcome to box[0-9]$");
    auto found = match.feed(data.substr(0, cut));
    if (!found) found = match.feed(data.substr(cut));
    EXPECT_EQ(found, "welcome to box7") << "cut at " << cut;
  }
}

TEST(LineMatcher, AnUnfinishedLineCountsOnlyWhenItIsQuiet) {
  LineMatcher match = matcher("login: $");
  EXPECT_EQ(match.feed("login: "), std::nullopt);
  EXPECT_EQ(match.quiet(), "login: ");
  EXPECT_EQ(match.feed("root\n"), std::nullopt);
  EXPECT_EQ(match.quiet(), std::nullopt);
}

TEST(LineMatcher, NeverMatchesAcrossLines) {
  LineMatcher match = matcher("one.*two");
  EXPECT_EQ(match.feed("one\ntwo\n"), std::nullopt);
  EXPECT_EQ(match.feed("one and two\n"), "one and two");
}

TEST(LineMatcher, ALineWithoutEndIsLookedAtInPieces) {
  LineMatcher match = matcher("x{10}");
  EXPECT_EQ(match.feed(std::string(LineMatcher::longest_line * 2, 'y')), std::nullopt);
  EXPECT_TRUE(match.feed(std::string(LineMatcher::longest_line, 'x')).has_value());
}

TEST(LineMatcher, SaysWhatIsWrongWithAPattern) {
  auto created = LineMatcher::create("a(b");
  ASSERT_FALSE(created.has_value());
  EXPECT_EQ(created.error().kind(), ErrorKind::usage);
  EXPECT_EQ(created.error().sentence(), "'a(b' is no regular expression: missing ): a(b");
}

}  // namespace
}  // namespace vmline::cli
