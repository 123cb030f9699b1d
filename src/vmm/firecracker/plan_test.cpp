// SPDX-License-Identifier: Apache-2.0
// Firecracker's plans, pinned: every argument, every descriptor.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "vmm/firecracker/firecracker.hpp"

namespace vmline::vmm::firecracker {
namespace {

using Source = DescriptorAction::Source;
using Strings = std::vector<std::string>;

Host host() {
  Host out;
  out.binary = "/opt/fc";
  out.environment = {"HOME=/root"};
  out.kvm_opens = true;
  out.cpu_virtualizes = true;
  return out;
}
api::Spec bare_spec() {
  api::Spec spec;
  spec.name = "web_1.a";
  spec.driver = api::DriverKind::firecracker;
  spec.kernel = "/k";
  spec.lines.emplace_back();
  return spec;
}
Endpoints endpoints(const api::Spec& spec) { return endpoints_of(spec, "/run/vmline/web1", "/var/web1/monitor.log"); }
std::string refused(const api::Spec& spec) {
  auto plan = make_plan(spec, endpoints(spec), host());
  return plan ? "planned" : plan.error().sentence();
}

TEST(FirecrackerPlan, CarriesTheSerialLineOnTwoFifosAndKeepsTheLogOffIt) {
  api::Spec spec = bare_spec();
  spec.monitor_args = {"--boot-timer"};
  auto plan = make_plan(spec, endpoints(spec), host());
  ASSERT_TRUE(plan) << plan.error().sentence();
  const std::string run = "/run/vmline/web1/", log = "/var/web1/monitor.log";
  EXPECT_EQ(plan->fifos, (std::vector<Fifo>{{run + "serial0.out", false}, {run + "serial0.in", false}}));
  EXPECT_EQ(plan->bound_by_monitor, (Strings{run + "api.sock"}));
  EXPECT_TRUE(plan->listeners.empty());
  EXPECT_TRUE(plan->terminals.empty());
  EXPECT_TRUE(plan->taps.empty());
  EXPECT_EQ(plan->lines,
            (std::vector<LinePlan>{{.name = "serial0", .output_fifo = run + "serial0.out", .input_fifo = run + "serial0.in"}}));
  EXPECT_EQ(plan->lines[0].typing, Typing::fifo);
  EXPECT_EQ(plan->control_out, "");
  EXPECT_EQ(plan->acceleration, "kvm");
  EXPECT_TRUE(plan->end_is_reboot);
  EXPECT_TRUE(plan->warnings.empty());
  ASSERT_EQ(plan->processes.size(), 1u);
  const Process& monitor = plan->processes[0];
  EXPECT_EQ(monitor.name, "monitor");
  EXPECT_EQ(monitor.argv, (Strings{"/opt/fc", "--api-sock", run + "api.sock", "--id", "web-1-a", "--log-path", log, "--level", "Warning",
                                   "--boot-timer"}));
  EXPECT_EQ(monitor.environment, (Strings{"HOME=/root"}));
  EXPECT_EQ(monitor.directory, "/");
  EXPECT_FALSE(monitor.allow_ptrace);
  EXPECT_EQ(monitor.descriptors, (std::vector<DescriptorAction>{{Source::path, 0, run + "serial0.in", O_RDWR},
                                                                {Source::path, 1, run + "serial0.out", O_RDWR},
                                                                {Source::path, 2, log, O_WRONLY | O_CREAT | O_APPEND | O_TRUNC}}));
}

TEST(FirecrackerPlan, RunsWhereTheSpecSays) {
  api::Spec spec = bare_spec();
  spec.name = std::string(80, 'x');
  spec.directory = "/srv";
  spec.netns = "blue";
  spec.cgroup = "vms/web";
  spec.networks = {{.tap = "tap7", .mac = "", .bridge = "br0", .ours = true}};
  spec.monitor_config = R"({"vsock":{"guest_cid":3,"uds_path":"/tmp/v.sock"}})";
  auto plan = make_plan(spec, endpoints(spec), host());
  ASSERT_TRUE(plan) << plan.error().sentence();
  EXPECT_EQ(plan->taps, (std::vector<Tap>{{"tap7", "br0", "/run/netns/blue", true}}));
  EXPECT_EQ(plan->bound_by_monitor, (Strings{"/run/vmline/web1/api.sock", "/tmp/v.sock"}));
  const Process& monitor = plan->processes.at(0);
  EXPECT_EQ(monitor.directory, "/srv");
  EXPECT_EQ(monitor.netns, "/run/netns/blue");
  EXPECT_EQ(monitor.cgroup, "/sys/fs/cgroup/vms/web");
  EXPECT_EQ(monitor.argv.at(4), std::string(64, 'x'));
}

TEST(FirecrackerPlan, RefusesLinesThatItHasNoDeviceFor) {
  api::Spec spec = bare_spec();
  spec.lines[0].upstream = api::UpstreamKind::dial;
  EXPECT_EQ(refused(spec), "line serial0: firecracker has no socket for its serial port: use carried");
  spec.lines[0] = {.name = "console0"};
  EXPECT_EQ(refused(spec), "line console0: firecracker has one serial port, no console and no debug port: name it serial0");
  spec = bare_spec();
  spec.lines.emplace_back().name = "serial1";
  EXPECT_EQ(refused(spec), "firecracker has one serial port: lines serial0 and serial1 would be the same");
}

TEST(FirecrackerPlan, RefusesGuestsThatItCannotRun) {
  api::Spec spec = bare_spec();
  spec.kernel.clear();
  spec.disks.push_back({"/d"});
  EXPECT_EQ(refused(spec), "firecracker boots a kernel, a disk alone does not do");
  spec.firmware = "/fw";
  EXPECT_EQ(refused(spec), "firecracker boots a kernel, not a firmware");
  spec = bare_spec();
  spec.root_disk = api::Disk{"/d.qcow2", "qcow2", false};
  EXPECT_EQ(refused(spec), "disk /d.qcow2: firecracker takes raw images, not qcow2");
  spec = bare_spec();
  spec.shares.push_back({"src", "/src", false});
  EXPECT_EQ(refused(spec), "share src: firecracker has no virtio-fs: use cloud-hypervisor or qemu");
  spec = bare_spec();
  spec.memory = (64u << 20) + 1;
  EXPECT_EQ(refused(spec), "memory 67108865: firecracker takes whole MiB");
  spec = bare_spec();
  spec.uid = 1000;
  EXPECT_NE(refused(spec).find("runs as the user who runs vmline"), std::string::npos) << refused(spec);
  spec = bare_spec();
  spec.acceleration = "tcg";
  EXPECT_EQ(refused(spec), "firecracker cannot emulate: acceleration tcg needs driver qemu");
}

TEST(FirecrackerPlan, RefusesArgumentsThatWouldWriteOnTheLine) {
  for (const char* argument : {"--help", "--version", "--id", "--log-path=/x", "--no-api", "--level"}) {
    api::Spec spec = bare_spec();
    spec.monitor_args = {"--boot-timer", argument};
    EXPECT_NE(refused(spec).find("vmline says that itself"), std::string::npos) << argument << ": " << refused(spec);
  }
}

TEST(FirecrackerPlan, NeedsKvm) {
  Host none = host();
  none.kvm_opens = false;
  none.kvm_error = "Permission denied";
  auto plan = make_plan(bare_spec(), endpoints(bare_spec()), none);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().sentence(), "firecracker needs KVM: open /dev/kvm: Permission denied (driver qemu goes without)");
}

TEST(FirecrackerPlan, StopsInThreeSteps) {
  using Action = StopStep::Action;
  EXPECT_EQ(make_stop_steps(bare_spec()), (std::vector<StopStep>{{"power-button", Action::power_button, std::chrono::seconds(10)},
                                                                 {"SIGTERM", Action::terminate, std::chrono::seconds(2)},
                                                                 {"SIGKILL", Action::kill, std::chrono::seconds(2)}}));
}

}  // namespace
}  // namespace vmline::vmm::firecracker
