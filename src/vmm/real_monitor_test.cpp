// SPDX-License-Identifier: Apache-2.0
// The plans and Monitors on the real programs: QEMU where it is installed; Cloud Hypervisor as VMLINE_CLOUD_HYPERVISOR names it, and the
// versions of it in the folder VMLINE_MONITORS (cloud-hypervisor-46.0, …), where /dev/kvm opens.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "os/tap.hpp"
#include "vmm/network_names.hpp"
#include "vmm/plan_runner_testing.hpp"

namespace vmline::vmm {
namespace {

struct Program {
  const char* name;
  api::DriverKind driver;
  const char* in_folder;          ///< its name in VMLINE_MONITORS; null: found as the driver finds it
  const char* machine = nullptr;  ///< of QEMU
};
void PrintTo(const Program& program, std::ostream* out) { *out << program.name; }

constexpr Program programs[] = {
    {"qemu", api::DriverKind::qemu, nullptr, "q35"},
    {"qemu_microvm", api::DriverKind::qemu, nullptr, "microvm"},
    {"cloud_hypervisor", api::DriverKind::cloud_hypervisor, nullptr},
    {"cloud_hypervisor_46", api::DriverKind::cloud_hypervisor, "cloud-hypervisor-46.0"},
    {"cloud_hypervisor_52", api::DriverKind::cloud_hypervisor, "cloud-hypervisor-52.0"},
    {"cloud_hypervisor_53", api::DriverKind::cloud_hypervisor, "cloud-hypervisor-53.0"},
    {"cloud_hypervisor_head", api::DriverKind::cloud_hypervisor, "cloud-hypervisor-head"},
};

class RealMonitor : public testing::TestWithParam<Program> {
 protected:
  void SetUp() override {
    spec_.name = "test";
    spec_.driver = GetParam().driver;
    if (GetParam().machine) spec_.machine = GetParam().machine;
    if (GetParam().in_folder) {
      const char* folder = std::getenv("VMLINE_MONITORS");
      if (!folder) GTEST_SKIP() << "VMLINE_MONITORS is not set";
      spec_.binary = std::string(folder) + "/" + GetParam().in_folder;
    }
    spec_.memory = 64u << 20;
    spec_.lines.emplace_back();
    auto host = probe_host(spec_, surroundings());
    if (!host) GTEST_SKIP() << host.error().sentence();
    if (!is_qemu() && !host->kvm_opens) GTEST_SKIP() << "no KVM for Cloud Hypervisor: " << host->kvm_error;
    spec_.binary = host->binary;
    // Built with a newer compiler than it knows, 46.0's own filter kills it.
    if (host->binary.ends_with("-46.0")) spec_.monitor_args = {"--seccomp", "false"};
  }
  static bool is_qemu() { return GetParam().driver == api::DriverKind::qemu; }
  /// Whether there have been so many reboots, as the events tell; SeaBIOS makes two or three of QEMU's RESETs of each.
  static bool rebooted(const PlanRunner& vm, std::ptrdiff_t times) {
    auto told = std::ranges::count_if(vm.events, &MonitorEvent::begins_boot);
    return told == times || (is_qemu() && times > 0 && told > times);
  }
  static std::string sentence(const Result<>& result) { return result ? "" : result.error().sentence(); }

  api::Spec spec_;
};

TEST_P(RealMonitor, RunsRebootsResetsAndLeaves) {
  PlanRunner vm(spec_);
  Result<> launched = vm.launch();
  ASSERT_TRUE(launched) << sentence(launched);
  Result<> created = vm.run(vm.monitor->create());
  ASSERT_TRUE(created) << sentence(created) << vm.log();
  EXPECT_EQ(vm.run(vm.monitor->state()).value(), GuestState::created);
  EXPECT_EQ(vm.output, "");
  Result<> started = vm.run(vm.monitor->start());
  ASSERT_TRUE(started) << sentence(started) << vm.log();
  ASSERT_TRUE(vm.until([&] { return vm.output == "hello\r\n"; })) << vm.output << vm.evidence();
  EXPECT_EQ(vm.run(vm.monitor->state()).value(), GuestState::running);

  vm.type('r');
  ASSERT_TRUE(vm.until([&] { return vm.output == "hello\r\nhello\r\n" && rebooted(vm, 1); })) << vm.output << vm.evidence();

  // Another keeper takes over.
  vm.monitor = vm.attach("second");
  EXPECT_EQ(vm.run(vm.monitor->state()).value(), GuestState::running);
  Result<> reset = vm.run(vm.monitor->reset());
  EXPECT_TRUE(reset) << sentence(reset);
  ASSERT_TRUE(vm.until([&] { return vm.output == "hello\r\nhello\r\nhello\r\n" && rebooted(vm, 2); })) << vm.output << vm.evidence();
  for (const MonitorEvent& event : vm.events) EXPECT_TRUE(event.at) << event.text;

  Result<> pressed = vm.run(vm.monitor->power_button());
  EXPECT_TRUE(pressed) << sentence(pressed);
  Result<> left = vm.run(vm.monitor->quit());
  EXPECT_TRUE(left) << sentence(left);
  EXPECT_EQ(vm.wait_for_end(), 0) << vm.log();
}

TEST_P(RealMonitor, EndsWhenTheGuestPowersOff) {
  PlanRunner vm(spec_);
  Result<> launched = vm.launch();
  ASSERT_TRUE(launched) << sentence(launched);
  ASSERT_TRUE(vm.run(vm.monitor->create()));
  ASSERT_TRUE(vm.run(vm.monitor->start()));
  ASSERT_TRUE(vm.until([&] { return vm.output == "hello\r\n"; })) << vm.log();
  vm.type('q');
  EXPECT_EQ(vm.wait_for_end(), 0) << vm.log();
  vm.until([&] { return std::ranges::any_of(vm.events, [](const MonitorEvent& e) { return e.kind == MonitorEvent::Kind::shutdown; }); });
  EXPECT_TRUE(rebooted(vm, 0)) << vm.evidence();
}

TEST_P(RealMonitor, BindsADialledSocketBeforeTheGuestRuns) {
  spec_.lines[0].upstream = api::UpstreamKind::dial;
  PlanRunner vm(spec_);
  Result<> launched = vm.launch();
  ASSERT_TRUE(launched) << sentence(launched);
  ASSERT_TRUE(vm.run(vm.monitor->create())) << vm.log();
  auto dialled = os::connect_to(vm.plan.lines[0].socket_path);
  ASSERT_TRUE(dialled) << dialled.error().sentence();
  vm.read_all(dialled->get(), [&](std::string_view text) { vm.output += text; });
  ASSERT_TRUE(vm.run(vm.monitor->start()));
  EXPECT_TRUE(vm.until([&] { return vm.output == "hello\r\n"; })) << vm.output << vm.evidence();
}

TEST_P(RealMonitor, TakesDisksAndMoreLines) {
  spec_.disks.push_back({"", "raw", false});
  spec_.disks.push_back({"", "raw", true});
  spec_.lines.emplace_back().name = "console0";
  spec_.lines.emplace_back().name = "debug0";
  PlanRunner vm(spec_);
  for (std::size_t i = 0; i < 2; ++i) {
    vm.spec.disks[i].path = vm.folder + "/disk,\"" + std::to_string(i);
    std::ofstream(vm.spec.disks[i].path, std::ios::binary) << std::string(1 << 20, '\0');
  }
  Result<> launched = vm.launch();
  ASSERT_TRUE(launched) << sentence(launched);
  Result<> created = vm.run(vm.monitor->create());
  ASSERT_TRUE(created) << sentence(created) << vm.log();
  Result<> started = vm.run(vm.monitor->start());
  ASSERT_TRUE(started) << sentence(started) << vm.log();
  EXPECT_TRUE(vm.until([&] { return vm.output == "hello\r\n"; })) << vm.output << vm.evidence();
  EXPECT_TRUE(vm.run(vm.monitor->quit()));
  EXPECT_EQ(vm.wait_for_end(), 0) << vm.log();
}

TEST_P(RealMonitor, PausesAndResumes) {
  PlanRunner vm(spec_);
  Result<> launched = vm.launch();
  ASSERT_TRUE(launched) << sentence(launched);
  ASSERT_TRUE(vm.run(vm.monitor->create()));
  ASSERT_TRUE(vm.run(vm.monitor->start()));
  ASSERT_TRUE(vm.until([&] { return vm.output == "hello\r\n"; })) << vm.output << vm.evidence();
  Result<> paused = vm.run(vm.monitor->pause());
  ASSERT_TRUE(paused) << sentence(paused);
  EXPECT_EQ(vm.run(vm.monitor->state()).value(), GuestState::paused);
  Result<> resumed = vm.run(vm.monitor->resume());
  ASSERT_TRUE(resumed) << sentence(resumed);
  EXPECT_EQ(vm.run(vm.monitor->state()).value(), GuestState::running);
  using Kind = MonitorEvent::Kind;
  auto told = [&](Kind kind) { return std::ranges::count(vm.events, kind, &MonitorEvent::kind) > 0; };
  EXPECT_TRUE(vm.until([&] { return told(Kind::paused) && told(Kind::resumed); })) << vm.evidence();
  vm.type('r');
  EXPECT_TRUE(vm.until([&] { return vm.output == "hello\r\nhello\r\n"; })) << vm.output << vm.evidence();
}

TEST_P(RealMonitor, SendsAnNmiAndABreakWhereItCan) {
  PlanRunner vm(spec_);
  Result<> launched = vm.launch();
  ASSERT_TRUE(launched) << sentence(launched);
  ASSERT_TRUE(vm.run(vm.monitor->create()));
  ASSERT_TRUE(vm.run(vm.monitor->start()));
  ASSERT_TRUE(vm.until([&] { return vm.output == "hello\r\n"; })) << vm.output << vm.evidence();
  Result<> broken = vm.run(vm.monitor->send_break("serial0"));
  if (is_qemu()) {
    EXPECT_TRUE(broken) << sentence(broken);
  } else {
    EXPECT_EQ(sentence(broken), "line serial0: cloud-hypervisor's serial port takes no break");
  }
  Result<> sent = vm.run(vm.monitor->nmi());
  EXPECT_TRUE(sent) << sentence(sent);
  // microvm's firmware leaves NMIs masked. Elsewhere the guest, which has no handler, triple-faults: a reboot.
  if (spec_.machine == "microvm") return;
  EXPECT_TRUE(vm.until([&] { return vm.output.starts_with("hello\r\nhello\r\n"); })) << vm.output << vm.evidence();
}

TEST_P(RealMonitor, SharesADirectoryBeforeAndAfterAReboot) {
  if (!std::getenv("VMLINE_VIRTIOFSD")) GTEST_SKIP() << "VMLINE_VIRTIOFSD is not set";
  spec_.shares = {{"home", std::filesystem::temp_directory_path(), true}, {"a, b", "/usr", false}};
  spec_.machine_id = "8f14e45f-ea0a-4c5b-9d1e-000000000001";
  PlanRunner vm(spec_);
  Result<> launched = vm.launch();
  ASSERT_TRUE(launched) << sentence(launched);
  Result<> created = vm.run(vm.monitor->create());
  ASSERT_TRUE(created) << sentence(created) << vm.log();
  Result<> started = vm.run(vm.monitor->start());
  ASSERT_TRUE(started) << sentence(started) << vm.log();
  ASSERT_TRUE(vm.until([&] { return vm.output == "hello\r\n"; })) << vm.output << vm.evidence();
  EXPECT_NE(vm.log().find("Client connected"), std::string::npos) << vm.log();
  // Cloud Hypervisor lets its virtiofsd go at a reboot, and waits for the next one on the same socket.
  vm.type('r');
  ASSERT_TRUE(vm.until([&] {
    vm.start_sidecars_again();
    return vm.output == "hello\r\nhello\r\n";
  })) << vm.output
      << vm.evidence();
  EXPECT_TRUE(vm.run(vm.monitor->quit()));
  EXPECT_EQ(vm.wait_for_end(), 0) << vm.log();
  EXPECT_TRUE(vm.until([&] { return vm.sidecars_have_ended(); })) << vm.log();
}

TEST_P(RealMonitor, TakesMonitorConfig) {
  if (is_qemu()) GTEST_SKIP() << "QEMU takes none";
  spec_.monitor_config = R"({"rng":{"src":"/dev/urandom"},"vsock":{"cid":3,"socket":"/tmp/nothing-there/v"}})";
  PlanRunner vm(spec_);
  ASSERT_TRUE(vm.launch());
  ASSERT_TRUE(vm.run(vm.monitor->create()));
  // It was taken: the vsock's folder is missing, and that is what the boot fails of.
  EXPECT_NE(sentence(vm.run(vm.monitor->start())).find("sock"), std::string::npos);
}

TEST_P(RealMonitor, OpensATap) {
  spec_.networks = {{"", "", "", {}}};
  const std::string name = network_devices(spec_)->front().tap;
  auto made = os::make_tap({.name = name});
  if (!made) GTEST_SKIP() << made.error().sentence();
  {
    PlanRunner vm(spec_);
    Result<> launched = vm.launch();
    EXPECT_TRUE(launched) << sentence(launched);
    Result<> created = vm.run(vm.monitor->create());
    EXPECT_TRUE(created) << sentence(created) << vm.log();
    Result<> started = vm.run(vm.monitor->start());
    EXPECT_TRUE(started) << sentence(started) << vm.log();
    EXPECT_TRUE(vm.until([&] { return vm.output == "hello\r\n"; })) << vm.output << vm.evidence();
  }
  EXPECT_TRUE(os::remove_tap(name, ""));
}

TEST_P(RealMonitor, SaysWhyAKernelDoesNotLoad) {
  if (is_qemu()) GTEST_SKIP() << "QEMU says it on stderr and exits, before there is a QMP";
  PlanRunner vm(spec_);
  std::ofstream(vm.spec.kernel) << "no kernel";
  Result<> launched = vm.launch();
  ASSERT_TRUE(launched) << sentence(launched);
  ASSERT_TRUE(vm.run(vm.monitor->create()));
  Result<> started = vm.run(vm.monitor->start());
  EXPECT_TRUE(sentence(started).starts_with("cloud-hypervisor vm.boot: The VM could not boot: Cannot load the kernel"))
      << sentence(started);
}

TEST_P(RealMonitor, KnowsThatThereIsNoVmYet) {
  if (is_qemu()) GTEST_SKIP() << "QEMU has its VM from the start";
  PlanRunner vm(spec_);
  Result<> launched = vm.launch();
  ASSERT_TRUE(launched) << sentence(launched);
  auto state = vm.run(vm.monitor->state());
  ASSERT_TRUE(state) << state.error().sentence();
  EXPECT_EQ(*state, GuestState::none);
  EXPECT_TRUE(vm.run(vm.monitor->quit()));
  EXPECT_EQ(vm.wait_for_end(), 0) << vm.log();
}

TEST_P(RealMonitor, ConnectsToUsWhereWeListen) {
  if (!is_qemu()) GTEST_SKIP() << "Cloud Hypervisor connects to no socket";
  spec_.lines[0].upstream = api::UpstreamKind::listen;
  PlanRunner vm(spec_);
  Result<> launched = vm.launch();
  ASSERT_TRUE(launched) << sentence(launched);
  ASSERT_TRUE(vm.run(vm.monitor->create()));
  UniqueFd connection(::accept4(vm.held("upstream"), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  ASSERT_TRUE(connection);
  vm.read_all(connection.get(), [&](std::string_view text) { vm.output += text; });
  ASSERT_TRUE(vm.run(vm.monitor->start()));
  EXPECT_TRUE(vm.until([&] { return vm.output == "hello\r\n"; })) << vm.output << vm.evidence();
}

INSTANTIATE_TEST_SUITE_P(On, RealMonitor, testing::ValuesIn(programs), [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace vmline::vmm
