// SPDX-License-Identifier: Apache-2.0
// TAPs in a network namespace of the test's own, which nothing but a descriptor of it keeps: nothing is left, however the test ends.
#include "os/tap.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <thread>

#include "os/netns.hpp"

namespace vmline::os {
namespace {

std::string sentence_of(const Result<>& result) { return result ? "" : result.error().sentence(); }

/// Opens a TAP as a monitor does. 0 or an errno.
int open_as_monitor(const std::string& name, int flags, UniqueFd& tun) {
  tun.reset(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq wish{};
  name.copy(wish.ifr_name, IFNAMSIZ - 1);
  wish.ifr_flags = static_cast<short>(flags);
  return ::ioctl(tun.get(), TUNSETIFF, &wish) == 0 ? 0 : errno;
}

class TapInNamespace : public testing::Test {
 protected:
  void SetUp() override {
    if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/net/tun: " << std::strerror(errno);
    int error = 0;
    std::jthread([&] {
      if (::unshare(CLONE_NEWNET) == 0)
        netns_.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
      else
        error = errno;
    }).join();
    if (!netns_) GTEST_SKIP() << "no network namespace can be made here: " << std::strerror(error);
    path_ = "/proc/self/fd/" + std::to_string(netns_.get());
  }
  void inside(const std::function<void()>& work) const { ASSERT_TRUE(in_netns(path_, work)); }
  void bridge(const char* name) const {
    inside([name] {
      const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      ASSERT_EQ(::ioctl(socket.get(), SIOCBRADDBR, name), 0) << std::strerror(errno);
    });
  }
  [[nodiscard]] std::optional<Link> link(const std::string& name) const {
    std::optional<Link> found;
    inside([&] {
      auto netlink = Netlink::open();
      ASSERT_TRUE(netlink);
      auto link = netlink->link(name);
      ASSERT_TRUE(link) << link.error().sentence();
      found = *link;
    });
    return found;
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    inside([&] {
      auto netlink = Netlink::open();
      auto links = netlink->links();
      ASSERT_TRUE(links) << links.error().sentence();
      for (const Link& link : *links) names.push_back(link.name);
    });
    std::ranges::sort(names);
    return names;
  }

  UniqueFd netns_;
  std::string path_;
};

TEST_F(TapInNamespace, IsMadeUpAndKnownAsOursAndRemoved) {
  EXPECT_FALSE(*tap_exists("web1-0", path_));
  const std::string alias = tap_alias("/var/lib/vmline", "web1");
  ASSERT_EQ(sentence_of(make_tap({.name = "web1-0", .netns = path_, .alias = alias})), "");
  EXPECT_TRUE(*tap_exists("web1-0", path_));
  auto made = link("web1-0");
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->up);
  EXPECT_EQ(made->alias, "vmline:/var/lib/vmline/web1");
  auto taps = list_taps(path_);
  ASSERT_TRUE(taps);
  ASSERT_EQ(taps->size(), 1U);
  EXPECT_EQ(taps->front().alias, alias);
  EXPECT_FALSE(taps->front().opened);
  EXPECT_EQ(sentence_of(remove_tap("web1-0", path_, "vmline:/elsewhere/web1")), "");
  EXPECT_TRUE(*tap_exists("web1-0", path_)) << "it is not that VM's";
  EXPECT_EQ(sentence_of(remove_tap("web1-0", path_, alias)), "");
  EXPECT_FALSE(*tap_exists("web1-0", path_));
  EXPECT_EQ(sentence_of(remove_tap("web1-0", path_, alias)), "") << "an absent one is fine";
}

TEST_F(TapInNamespace, LiesInItsNamespaceAloneAndTheCallersThreadStaysWhereItWas) {
  struct stat before{}, after{};
  ASSERT_EQ(::stat("/proc/thread-self/ns/net", &before), 0);
  ASSERT_TRUE(make_tap({.name = "vmltap-only", .netns = path_}));
  EXPECT_FALSE(*tap_exists("vmltap-only", ""));
  ASSERT_EQ(::stat("/proc/thread-self/ns/net", &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(TapInNamespace, IsOnItsBridgeWhoseAddressAndMtuItLeavesAlone) {
  bridge("br0");
  inside([this] {
    auto netlink = Netlink::open();
    ASSERT_TRUE(netlink->change(link("br0")->index, {.mtu = 1400, .up = true}));
  });
  ASSERT_EQ(sentence_of(make_tap({.name = "t0", .netns = path_, .bridge = "br0"})), "");
  auto tap = link("t0");
  EXPECT_EQ(tap->master, link("br0")->index);
  EXPECT_EQ(tap->mtu, 1400U);
  EXPECT_EQ(tap->address[0], 0xfe);
  EXPECT_EQ(link("br0")->mtu, 1400U);
  bridge("wide");
  inside([this] { ASSERT_TRUE(Netlink::open()->change(link("wide")->index, {.mtu = 65535})); });
  EXPECT_EQ(sentence_of(make_tap({.name = "t2", .netns = path_, .bridge = "wide"})), "") << "wider than a TAP can be";
  const HardwareAddress address{0x52, 0x54, 0, 1, 2, 3};
  ASSERT_EQ(sentence_of(make_tap({.name = "t1", .netns = path_, .bridge = "br0", .address = address})), "");
  EXPECT_EQ(link("t1")->address, address);
}

TEST_F(TapInNamespace, OpensAsMonitorsOpenItWithOneQueueAlone) {
  ASSERT_TRUE(make_tap({.name = "t0", .netns = path_}));
  inside([this] {
    UniqueFd tun;
    EXPECT_EQ(open_as_monitor("t0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, tun), 0);
    EXPECT_TRUE(list_taps("")->front().opened);
    UniqueFd second;
    EXPECT_EQ(open_as_monitor("t0", IFF_TAP | IFF_NO_PI, second), EBUSY);
    tun.reset();
    EXPECT_EQ(open_as_monitor("t0", IFF_TAP | IFF_NO_PI, tun), 0);
    tun.reset();
    EXPECT_EQ(open_as_monitor("t0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE, tun), EINVAL);
  });
  EXPECT_TRUE(*tap_exists("t0", path_)) << "it outlives whoever had it open";
}

TEST_F(TapInNamespace, IsRemovedUnderWhoeverHasItOpen) {
  ASSERT_TRUE(make_tap({.name = "t0", .netns = path_}));
  UniqueFd tun;
  inside([&] { ASSERT_EQ(open_as_monitor("t0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, tun), 0); });
  EXPECT_EQ(sentence_of(remove_tap("t0", path_)), "");
  EXPECT_FALSE(*tap_exists("t0", path_));
}

/// As another user, in a process of its own, with no right to anything. What `work` answers: a small number.
int as_nobody(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    const bool dropped = ::setresgid(65534, 65534, 65534) == 0 && ::setresuid(65534, 65534, 65534) == 0;
    ::prctl(PR_SET_DUMPABLE, 1);  // or /proc/self/fd, where the namespace's path leads, is root's
    ::_exit(dropped ? work() : 99);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(TapInNamespace, OpensForItsOwnerAndForNobodyElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  ASSERT_TRUE(make_tap({.name = "ours", .netns = path_}));
  ASSERT_TRUE(make_tap({.name = "theirs", .netns = path_, .owner = 65534}));
  ASSERT_TRUE(make_tap({.name = "group", .netns = path_, .group = 65534}));
  auto opens = [this](const char* name) {
    int error = 0;
    inside([&] {
      error = as_nobody([name] {
        UniqueFd tun;
        return open_as_monitor(name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, tun);
      });
    });
    return error;
  };
  EXPECT_EQ(opens("ours"), EPERM);
  EXPECT_EQ(opens("theirs"), 0);
  EXPECT_EQ(opens("group"), 0);
}

TEST_F(TapInNamespace, WithoutTheRightItIsRefusedWithTheWayOut) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  auto says = [this](const std::string& netns, std::string_view words) {
    return as_nobody([&] {
      const std::string sentence = sentence_of(make_tap({.name = "vmltap-nobody", .netns = netns}));
      if (sentence.find(words) != std::string::npos) return 0;
      (void)::write(2, sentence.data(), sentence.size());
      return 1;
    });
  };
  EXPECT_EQ(says(path_, "Operation not permitted (it takes CAP_SYS_ADMIN: run vmline as root)"), 0);
  EXPECT_EQ(says("", "TAP vmltap-nobody: make it: Operation not permitted (it takes CAP_NET_ADMIN"), 0);
  EXPECT_EQ(names(), std::vector<std::string>{"lo"});
  EXPECT_FALSE(*tap_exists("vmltap-nobody", ""));
}

TEST_F(TapInNamespace, LeavesNothingWhenItCannotBeMade) {
  bridge("br0");
  const auto before = names();
  EXPECT_EQ(sentence_of(make_tap({.name = "t0", .netns = path_, .bridge = "br1"})),
            "TAP t0 in network namespace " + path_ + ": there is no bridge br1 in network namespace " + path_);
  EXPECT_EQ(sentence_of(make_tap({.name = "t0", .netns = path_, .bridge = "lo"})),
            "TAP t0 in network namespace " + path_ + ": lo is no bridge but a network device of the host");
  // The kernel finds this out when all but two steps are done.
  const HardwareAddress group{1, 0, 0x5e, 0, 0, 1};
  auto refused = make_tap({.name = "t0", .netns = path_, .address = group});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().sentence().find("give it its alias, address and MTU: "), std::string::npos) << refused.error().sentence();
  EXPECT_EQ(names(), before);
}

TEST_F(TapInNamespace, ANameThatIsTakenIsAConflict) {
  bridge("br0");
  UniqueFd tun;
  inside([&] { ASSERT_EQ(open_as_monitor("tun0", IFF_TUN | IFF_NO_PI, tun), 0); });
  ASSERT_TRUE(make_tap({.name = "t0", .netns = path_}));
  auto refused = make_tap({.name = "t0", .netns = path_});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::conflict);
  EXPECT_EQ(refused.error().sentence(), "TAP t0 in network namespace " + path_ + ": it is there already");
  for (auto [name, what] : {std::pair{"tun0", "tun0 is no TAP but a TUN"}, std::pair{"lo", "lo is no TAP but a network device of the host"},
                            std::pair{"br0", "br0 is no TAP but a network device of kind bridge"}}) {
    for (const Result<>& result : {make_tap({.name = name, .netns = path_}), remove_tap(name, path_)}) {
      ASSERT_FALSE(result);
      EXPECT_EQ(result.error().kind(), ErrorKind::conflict);
      EXPECT_NE(result.error().sentence().find(what), std::string::npos) << result.error().sentence();
    }
    EXPECT_FALSE(tap_exists(name, path_));
    EXPECT_TRUE(link(name)) << "it is not ours to remove";
  }
}

TEST(TapName, IsWhatTheKernelTakesAndNoPattern) {
  for (const char* right : {"t", "abcdefghijklmno", "web1-0", "-", "täp"}) EXPECT_TRUE(check_tap_name(right)) << right;
  for (std::string_view wrong : {"", "abcdefghijklmnop", "tap%d", "a/b", "a:b", "a b", ".", "..", "a\n"}) {
    for (const Result<>& result : {check_tap_name(wrong), make_tap({.name = std::string(wrong)}), remove_tap(std::string(wrong), "")}) {
      ASSERT_FALSE(result) << wrong;
      EXPECT_EQ(result.error().kind(), ErrorKind::usage);
    }
  }
  EXPECT_FALSE(check_tap_name(std::string_view("a\0b", 3)));
  EXPECT_EQ(sentence_of(check_tap_name("abcdefghijklmnop")),
            "TAP \"abcdefghijklmnop\": a network device's name has 1 to 15 bytes, without '/', ':', '%' or white space");
}

TEST(TapAlias, KeepsTheEndOfALongPlace) {
  EXPECT_EQ(tap_alias("/r", "web1"), "vmline:/r/web1");
  const std::string alias = tap_alias("/" + std::string(4000, 'x'), "web1");
  EXPECT_EQ(alias.size(), 255U);
  EXPECT_TRUE(alias.starts_with("vmline:xx") && alias.ends_with("x/web1"));
}

}  // namespace
}  // namespace vmline::os
