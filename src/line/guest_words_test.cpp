// SPDX-License-Identifier: Apache-2.0
// Claims about what is found in a guest's output, however it is cut.
#include "line/guest_words.hpp"

#include <gtest/gtest.h>

#include <random>

namespace vmline::line {
namespace {

std::string told(const std::vector<WordMatch>& found) {
  std::string out;
  for (const WordMatch& one : found)
    out += one.rule + "@" + std::to_string(one.offset) + (one.address.empty() ? "" : "=" + one.address) + ";";
  return out;
}

std::string whole(std::string_view text, std::vector<WordRule> rules = {}, std::string_view marker = "VMRS_READY ") {
  auto words = GuestWords::create(marker, std::move(rules));
  std::vector<WordMatch> found;
  words->feed(0, text, found);
  return told(found);
}

TEST(GuestWords, FindsTheMarkerAndItsAddress) {
  EXPECT_EQ(whole("boot\r\nVMRS_READY 10.0.0.2\r\n"), "ready@6=10.0.0.2;");
  EXPECT_EQ(whole("[   1.5] VMRS_READY fe80::1 more"), "ready@9=fe80::1;");
  EXPECT_EQ(whole("VMRS_READY 10.0.0.2"), "") << "it may be 10.0.0.23";
  EXPECT_EQ(whole("VMRS_READY none\nVMRS_READY 1.2.3.400 \nVMRS_READY \n"), "") << "no addresses";
  EXPECT_EQ(whole("VMRS_READY x VMRS_READY 1.2.3.4 \n"), "ready@13=1.2.3.4;");
  EXPECT_EQ(whole("VMRS_READY 1.2.3.4 VMRS_READY 1.2.3.5 \n"), "ready@0=1.2.3.4;") << "once a line";
  EXPECT_EQ(whole("VMRS_READY 1.2.3.4 \n", {}, ""), "") << "nobody asked";
  EXPECT_EQ(whole("up at 1.2.3.4\n", {}, "up at "), "ready@0=1.2.3.4;");
}

TEST(GuestWords, KnowsPanicsShellsAndPrompts) {
  EXPECT_EQ(whole("x\n[ 1.2] Kernel panic - not syncing: VFS\n"), "panic@9;");
  EXPECT_EQ(whole("You are in emergency mode. After"), "emergency@0;");
  EXPECT_EQ(whole("host login: "), "login@0;");
  EXPECT_EQ(whole("host login: root\r\nlogin: x\nlastly login: \n"), "login@0;login@18;login@27;");
  EXPECT_EQ(whole("Last login: today\nlast login: \n"), "");
}

TEST(GuestWords, UsersRules) {
  EXPECT_EQ(whole("a disk full b\n", {{"full", "disk full", ""}, {"five", "", "[0-9]{5}"}}), "full@2;");
  EXPECT_EQ(whole("a\nx 12345\n", {{"five", "", "[0-9]{5}$"}}), "five@4;");
  EXPECT_EQ(whole("\xff\xfe 12345\n", {{"bytes", "", "\\xff\\xfe"}}), "bytes@0;");
  EXPECT_FALSE(GuestWords::create("", {{"bad", "", "("}}));
  EXPECT_EQ(GuestWords::create("", {{"bad", "", "("}}).error().sentence(), "match bad: '(' is no regular expression: missing ): (");
}

TEST(GuestWords, TheSameHoweverItIsCut) {
  std::string text = "BIOS\r\nVMRS_READY 10.1.2.3\r\nhost login: \r\n" + std::string(9000, 'x') +
                     "\nKernel panic - not syncing\n\n\nx\nVMRS_READY ::1\n" + std::string(300, 'y') +
                     "Kernel panic - not syncing\nhost login: ";
  std::string expected = whole(text);
  EXPECT_EQ(expected, "ready@6=10.1.2.3;login@27;panic@9042;ready@9073=::1;panic@9388;login@9415;");
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    auto words = GuestWords::create("VMRS_READY ", {});
    std::vector<WordMatch> found;
    std::size_t most = round < 100 ? 3 : 700;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t n = std::min<std::size_t>(1 + random() % most, text.size() - at);
      words->feed(at, std::string_view(text).substr(at, n), found);
      at += n;
      // Another goes on where this one's line began; what was told of that line is told again.
      if (random() % 64 == 0 && found.empty()) {
        Offset resume = words->resume_at();
        words = GuestWords::create("VMRS_READY ", {});
        words->feed(resume, std::string_view(text).substr(resume, at - resume), found);
      }
    }
    ASSERT_EQ(told(found), expected) << "round " << round;
  }
}

}  // namespace
}  // namespace vmline::line
