// SPDX-License-Identifier: Apache-2.0
// Plan and Monitor on the real program, as VMLINE_FIRECRACKER names it, where /dev/kvm opens. What RealMonitor claims of the others does
// not fit it: a guest that reboots ends it, it has no reset, no API to leave by and no further lines.
#include <gtest/gtest.h>

#include <fstream>

#include "vmm/plan_runner_testing.hpp"

namespace vmline::vmm::firecracker {
namespace {

class RealFirecracker : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::getenv("VMLINE_FIRECRACKER")) GTEST_SKIP() << "VMLINE_FIRECRACKER is not set";
    spec_.name = "test";
    spec_.driver = api::DriverKind::firecracker;
    spec_.memory = 64u << 20;
    spec_.lines.emplace_back();
    auto host = probe_host(spec_, surroundings());
    ASSERT_TRUE(host) << host.error().sentence();
    if (!host->kvm_opens) GTEST_SKIP() << "no KVM for Firecracker: " << host->kvm_error;
  }
  static std::string sentence(const Result<>& result) { return result ? "" : result.error().sentence(); }
  static void boot(PlanRunner& vm) {
    Result<> launched = vm.launch();
    ASSERT_TRUE(launched) << sentence(launched);
    // As the keeper does: this is the first request, which waits for the socket to be bound.
    auto state = vm.run(vm.monitor->state());
    ASSERT_TRUE(state) << state.error().sentence() << vm.log();
    EXPECT_EQ(*state, GuestState::none);
    Result<> created = vm.run(vm.monitor->create());
    ASSERT_TRUE(created) << sentence(created) << vm.log();
    EXPECT_EQ(vm.run(vm.monitor->state()).value(), GuestState::created);
    std::string before = vm.output;
    Result<> started = vm.run(vm.monitor->start());
    ASSERT_TRUE(started) << sentence(started) << vm.log();
    ASSERT_TRUE(vm.until([&] { return vm.output == before + "hello\r\n"; })) << vm.output << vm.evidence();
  }

  api::Spec spec_;
};

TEST_F(RealFirecracker, RunsPausesAndEndsAtItsGuestsReboot) {
  PlanRunner vm(spec_);
  boot(vm);
  EXPECT_EQ(vm.run(vm.monitor->state()).value(), GuestState::running);
  EXPECT_TRUE(vm.run(vm.monitor->pause()));
  EXPECT_EQ(vm.run(vm.monitor->state()).value(), GuestState::paused);
  // Another keeper takes over.
  vm.monitor = vm.attach("second");
  EXPECT_TRUE(vm.run(vm.monitor->resume()));
  EXPECT_EQ(vm.run(vm.monitor->state()).value(), GuestState::running);
  EXPECT_TRUE(vm.run(vm.monitor->power_button()));

  vm.type('r');
  EXPECT_EQ(vm.wait_for_end(), 0) << vm.log();
  EXPECT_EQ(vm.output, "hello\r\n");  // not a byte of its own

  // The next boot: the same line, the socket bound anew.
  vm.monitor->ended();
  EXPECT_FALSE(vm.run(vm.monitor->state()));
  boot(vm);
}

TEST_F(RealFirecracker, MakesAVmTwiceWhereTheFirstKeeperWasKilledInBetween) {
  spec_.monitor_config = R"({"entropy":{},"balloon":{"amount_mib":1,"deflate_on_oom":true}})";
  PlanRunner vm(spec_);
  vm.spec.disks.push_back({vm.folder + "/disk,\"0", "raw", false});
  vm.spec.disks.push_back({vm.folder + "/disk1", "raw", true});
  for (const api::Disk& disk : vm.spec.disks) std::ofstream(disk.path, std::ios::binary) << std::string(1 << 20, '\0');
  Result<> launched = vm.launch();
  ASSERT_TRUE(launched) << sentence(launched);
  for (int i = 0; i < 2; ++i) {
    Result<> created = vm.run(vm.monitor->create());
    ASSERT_TRUE(created) << sentence(created) << vm.log();
  }
  ASSERT_TRUE(vm.run(vm.monitor->start())) << vm.log();
  EXPECT_TRUE(vm.until([&] { return vm.output == "hello\r\n"; })) << vm.output << vm.evidence();
}

TEST_F(RealFirecracker, SaysWhyAKernelDoesNotLoad) {
  PlanRunner vm(spec_);
  std::ofstream(vm.spec.kernel) << "no kernel";
  Result<> launched = vm.launch();
  ASSERT_TRUE(launched) << sentence(launched);
  ASSERT_TRUE(vm.run(vm.monitor->create())) << vm.log();
  std::string said = sentence(vm.run(vm.monitor->start()));
  EXPECT_TRUE(said.starts_with("firecracker PUT /actions: Start microvm error: ")) << said;
  EXPECT_NE(said.find("Cannot load kernel"), std::string::npos) << said;
  EXPECT_EQ(vm.output, "");
}

}  // namespace
}  // namespace vmline::vmm::firecracker
