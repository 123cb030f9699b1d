// SPDX-License-Identifier: Apache-2.0
// Claims about names and addresses of networks: the same at every start, each its own, none too long.
#include "vmm/network_names.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "vmm/process_place.hpp"
#include "vmm/sha256.hpp"

namespace vmline::vmm {
namespace {

std::string hex(std::string_view text) {
  std::string out;
  for (std::uint8_t byte : sha256(text)) out += fmt::format("{:02x}", byte);
  return out;
}

api::Network on_tap(std::string name) { return {std::move(name), "", "", {}}; }

TEST(Sha256, IsThatOfTheStandard) {
  EXPECT_EQ(hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(NetworkNames, AreMadeFromTheVmAndTheIndex) {
  api::Spec spec;
  spec.name = "web1";
  spec.networks.resize(3);
  spec.networks[1] = {"tap7", "02:00:00:00:00:01", "", {}};
  auto devices = network_devices(spec);
  ASSERT_TRUE(devices) << devices.error().sentence();
  auto first = sha256("web1"), third = sha256("web1/2");
  EXPECT_EQ((*devices)[0].mac, fmt::format("52:54:00:{:02x}:{:02x}:{:02x}", first[0], first[1], first[2]));
  EXPECT_EQ((*devices)[1], (NetworkDevice{"tap7", "02:00:00:00:00:01"}));
  EXPECT_EQ((*devices)[2].mac, fmt::format("52:54:00:{:02x}:{:02x}:{:02x}", third[0], third[1], third[2]));
  EXPECT_EQ((*devices)[0].tap.size(), 15u);
  EXPECT_TRUE((*devices)[0].tap.starts_with("vl"));
  EXPECT_NE((*devices)[0].tap, (*devices)[2].tap);
  EXPECT_EQ(*network_devices(spec), *devices);
  // A fork of the VM has another machine id: TAPs of its own.
  spec.machine_id = "8f14e45f-ea0a-4c5b-9d1e-000000000001";
  EXPECT_NE((*network_devices(spec))[0].tap, (*devices)[0].tap);
  EXPECT_EQ((*network_devices(spec))[0].mac, (*devices)[0].mac);
}

TEST(NetworkNames, RefuseWhatIsTheSameOrDoesNotFit) {
  auto refused = [](std::vector<api::Network> networks) {
    api::Spec spec;
    spec.name = "web1";
    spec.networks = std::move(networks);
    auto devices = network_devices(spec);
    return devices ? "" : devices.error().sentence();
  };
  EXPECT_EQ(refused({on_tap("a"), on_tap("b"), on_tap("a")}), "networks 0 and 2 are both on TAP a");
  EXPECT_EQ(refused({{"", "02:00:00:00:00:01", "", {}}, {"", "02:00:00:00:00:01", "", {}}}),
            "networks 0 and 1 both have MAC 02:00:00:00:00:01");
  EXPECT_EQ(refused({on_tap("tap4567890123456")}),
            "network 0: tap4567890123456 is no interface's name: at most 15 bytes, without / : % and white space");
  for (const char* name : {"a/b", "a b", "a\n", "..", "tap%d", "a:1"}) EXPECT_NE(refused({on_tap(name)}), "") << name;
}

TEST(NetworkNames, BecomeThePlansTaps) {
  api::Spec spec;
  spec.name = "web1";
  spec.netns = "blue";
  spec.networks.push_back({"tap7", "", "br0", true});
  EXPECT_EQ(plan_taps(spec).value(), (std::vector<Tap>{{"tap7", "br0", "/run/netns/blue", true}}));
}

TEST(ProcessPlace, ReadsNamesAndPaths) {
  api::Spec spec;
  spec.netns = "/proc/1/ns/net";
  spec.cgroup = "vms/web1";
  spec.uid = 7;
  Process process;
  put_in_place(process, spec);
  EXPECT_EQ(process.directory, "/");
  EXPECT_EQ(process.netns, "/proc/1/ns/net");
  EXPECT_EQ(process.cgroup, "/sys/fs/cgroup/vms/web1");
  EXPECT_EQ(process.uid, 7u);
  EXPECT_EQ(process.gid, std::nullopt);
  EXPECT_EQ(netns_path(""), "");
  EXPECT_EQ(cgroup_path(""), "");
  EXPECT_EQ(cgroup_path("/sys/fs/cgroup/x"), "/sys/fs/cgroup/x");
}

}  // namespace
}  // namespace vmline::vmm
