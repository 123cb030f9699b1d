// SPDX-License-Identifier: Apache-2.0
// Devices as the command line gives them.
#include "cli/device_options.hpp"

#include <gtest/gtest.h>

namespace vmline::cli {
namespace {

TEST(DeviceOptions, ACommaWithinAValueIsWrittenTwice) {
  EXPECT_EQ(parse_disk("--disk", "a,,b,readonly")->path, "a,b");
  EXPECT_EQ(parse_disk("--disk", "a,,,,b,readonly")->path, "a,,b");
  EXPECT_TRUE(parse_disk("--disk", "a,,,readonly")->readonly);
  EXPECT_FALSE(parse_disk("--disk", "a,b"));
  EXPECT_FALSE(parse_disk("--disk", ",readonly"));
  EXPECT_FALSE(parse_disk("--disk", ""));
  EXPECT_EQ(parse_disk("--root-disk", "").error().sentence(), "--root-disk: '' has no path");
  EXPECT_EQ(parse_share("t=/a,,b=c,readonly")->path, "/a,b=c");
  EXPECT_EQ(parse_network("tap=a,,b")->tap, "a,b");
}

TEST(DeviceOptions, ANetworkIsWhatIsSaidOfItAndTheRestIsLeftToUs) {
  for (const char* text : {"auto", "", "tap=,mac=,bridge="}) {
    auto network = parse_network(text);
    ASSERT_TRUE(network) << text;
    EXPECT_TRUE(network->tap.empty() && network->mac.empty() && network->bridge.empty() && !network->ours) << text;
  }
  EXPECT_EQ(parse_network("ours=no,tap=t")->ours, false);
  for (const char* text : {"tap", "ours", "ours=maybe", "auto,tap=x", "vlan=3", "=x"}) {
    ASSERT_FALSE(parse_network(text)) << text;
    EXPECT_EQ(parse_network(text).error().kind(), ErrorKind::usage);
  }
}

TEST(DeviceOptions, SharesAndRulesHaveAName) {
  EXPECT_EQ(parse_share("src=.")->tag, "src");
  for (const char* text : {"src", "src=", "src=.,ro", "/src"}) EXPECT_FALSE(parse_share(text)) << text;
  auto rule = parse_match("up=^a=b, c$");
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->name, "up");
  EXPECT_EQ(rule->regex, "^a=b, c$");
  for (const char* text : {"up", "up=", ""}) EXPECT_FALSE(parse_match(text)) << text;
}

}  // namespace
}  // namespace vmline::cli
