// SPDX-License-Identifier: Apache-2.0
// The kernel's messages are read to their end and never beyond it, whatever their lengths say.
#include "os/netlink.hpp"

#include <gtest/gtest.h>
#include <linux/if_tun.h>

#include <array>
#include <cstring>

namespace vmline::os {
namespace {

TEST(ParseLinks, CutShortAnywhereItReadsNothingBeyond) {
  auto netlink = Netlink::open();
  ASSERT_TRUE(netlink);
  auto lo = netlink->link("lo");
  ASSERT_TRUE(lo && *lo);
  EXPECT_EQ((*lo)->name, "lo");
  EXPECT_EQ((*lo)->index, 1);
  EXPECT_FALSE(*netlink->link("vmltap-none"));
  // A link message by hand: header, ifinfomsg, a name, and the kind and data of a TAP.
  std::vector<std::byte> whole;
  auto put = [&whole](auto value) {
    const auto* first = reinterpret_cast<const std::byte*>(&value);
    whole.insert(whole.end(), first, first + sizeof value);
  };
  auto attribute = [&](std::uint16_t size, std::uint16_t type) {
    put(size);
    put(type);
  };
  put(std::uint32_t{72}), put(std::uint16_t{16}), put(std::uint16_t{0}), put(std::uint32_t{1}), put(std::uint32_t{0});  // RTM_NEWLINK
  put(std::uint32_t{0}), put(7), put(1U), put(0U);                                                                      // index 7, up
  attribute(8, 3), put(std::array{'t', 'a', 'p', '\0'});                                                                // IFLA_IFNAME
  attribute(32, 18);                                                                                                    // IFLA_LINKINFO
  attribute(8, 1), put(std::array{'t', 'u', 'n', '\0'});
  attribute(20, 2), attribute(5, 3), put(std::array<char, 4>{2}), attribute(8, 6), put(1U);
  ASSERT_EQ(whole.size(), 72U);
  auto links = parse_links(whole);
  ASSERT_EQ(links.size(), 1U);
  EXPECT_EQ(links[0].index, 7);
  EXPECT_EQ(links[0].name, "tap");
  EXPECT_EQ(links[0].kind, "tun");
  EXPECT_EQ(links[0].tun_type, IFF_TAP);
  EXPECT_TRUE(links[0].up);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_TRUE(parse_links(cut).empty());
    if (size < 4) continue;
    const auto told = static_cast<std::uint32_t>(size);  // and when it says so itself
    std::memcpy(cut.data(), &told, sizeof told);
    EXPECT_LE(parse_links(cut).size(), 1U);
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto changed = whole;
      changed[at] ^= static_cast<std::byte>(1 << bit);
      EXPECT_LE(parse_links(changed).size(), 1U);
    }
  }
}

}  // namespace
}  // namespace vmline::os
