// SPDX-License-Identifier: Apache-2.0
// Cloud Hypervisor's plans, pinned: every argument, every descriptor, the VM's JSON.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "vmm/cloud_hypervisor/cloud_hypervisor.hpp"
#include "vmm/cloud_hypervisor/vm_config.hpp"

namespace vmline::vmm::cloud_hypervisor {
namespace {

using Source = DescriptorAction::Source;
using Strings = std::vector<std::string>;

const Host host{.binary = "/opt/ch",
                .environment = {"HOME=/root"},
                .kvm_opens = true,
                .kvm_error = "",
                .version = "53.0",
                .virtiofsd = "/vfs",
                .cpu_virtualizes = true,
                .root = true};

api::Spec bare_spec() {
  api::Spec spec;
  spec.name = "web1";
  spec.driver = api::DriverKind::cloud_hypervisor;
  spec.kernel = "/k";
  spec.lines.emplace_back();
  return spec;
}
Endpoints endpoints(const api::Spec& spec) { return endpoints_of(spec, "/run/vmline/web1", "/var/web1/monitor.log"); }
std::string config(const api::Spec& spec) {
  auto made = vm_config(spec, endpoints(spec));
  return made ? boost::json::serialize(*made) : made.error().sentence();
}
std::string refused(const api::Spec& spec) {
  auto plan = make_plan(spec, endpoints(spec), host);
  return plan ? "planned" : plan.error().sentence();
}

TEST(CloudHypervisorPlan, CarriesTheSerialLineOnAFifoAndAPty) {
  api::Spec spec = bare_spec();
  spec.monitor_args = {"--seccomp", "false"};
  auto plan = make_plan(spec, endpoints(spec), host);
  ASSERT_TRUE(plan) << plan.error().sentence();
  const std::string run = "/run/vmline/web1/", log = "/var/web1/monitor.log";
  EXPECT_EQ(plan->fifos, (std::vector<Fifo>{{run + "events.out", true}, {run + "serial0.out", false}}));
  EXPECT_EQ(plan->listeners, (std::vector<Listener>{{"api", run + "api.sock"}}));
  EXPECT_EQ(plan->terminals, (std::vector<Terminal>{{"serial0", "pty:serial0", 1001}}));
  EXPECT_EQ(plan->lines, (std::vector<LinePlan>{{.name = "serial0", .output_fifo = run + "serial0.out", .typing = Typing::terminal}}));
  EXPECT_EQ(plan->control_out, run + "events.out");
  EXPECT_EQ(plan->control_in, "");
  EXPECT_EQ(plan->acceleration, "kvm");
  EXPECT_TRUE(plan->warnings.empty());
  ASSERT_EQ(plan->processes.size(), 1u);
  const Process& monitor = plan->processes[0];
  EXPECT_EQ(monitor.argv, (Strings{"/opt/ch", "--api-socket", "fd=1000", "--event-monitor", "fd=1002", "--seccomp", "false"}));
  EXPECT_EQ(monitor.environment, (Strings{"HOME=/root"}));
  EXPECT_EQ(monitor.directory, "/");
  EXPECT_TRUE(monitor.allow_ptrace);
  EXPECT_EQ(monitor.descriptors, (std::vector<DescriptorAction>{{Source::pty_slave, 0, "pty:serial0", 0},
                                                                {Source::path, 1, run + "serial0.out", O_RDWR},
                                                                {Source::path, 2, log, O_WRONLY | O_CREAT | O_APPEND},
                                                                {Source::held, 1000, "api", 0},
                                                                {Source::held, 1001, "pty:serial0", 0},
                                                                {Source::path, 1002, run + "events.out", O_RDWR}}));
}

TEST(CloudHypervisorPlan, MakesTheVmAsJson) {
  api::Spec spec = bare_spec();
  EXPECT_EQ(config(spec),
            R"({"payload":{"kernel":"/k","cmdline":"console=ttyS0"},"cpus":{"boot_vcpus":1,"max_vcpus":1},"memory":{"size":536870912},)"
            R"("serial":{"mode":"Tty"},"console":{"mode":"Off"}})");
  spec.kernel.clear();
  spec.firmware = "/fw";
  spec.cpus = 4;
  spec.disks = {{"/a,b=\"c", "raw", false}, {"/d", "raw", true}};
  EXPECT_EQ(config(spec),
            R"({"payload":{"firmware":"/fw"},"cpus":{"boot_vcpus":4,"max_vcpus":4},"memory":{"size":536870912},)"
            R"("serial":{"mode":"Tty"},"console":{"mode":"Off"},)"
            R"("disks":[{"path":"/a,b=\"c","readonly":false,"image_type":"Raw"},{"path":"/d","readonly":true,"image_type":"Raw"}]})");
}

TEST(CloudHypervisorPlan, TellsWhatItIsGoingToAsk) {
  auto requests = make_driver()->requests(bare_spec(), endpoints(bare_spec()));
  ASSERT_TRUE(requests);
  ASSERT_EQ(requests->size(), 2u);
  EXPECT_EQ((*requests)[0].method + " " + (*requests)[0].path, "PUT /api/v1/vm.create");
  EXPECT_EQ((*requests)[0].body, config(bare_spec()));
  EXPECT_EQ((*requests)[1].path, "/api/v1/vm.boot");
}

TEST(CloudHypervisorPlan, ADialledLineIsASocketThatTheMonitorBinds) {
  api::Spec spec = bare_spec();
  spec.lines[0].upstream = api::UpstreamKind::dial;
  auto plan = make_plan(spec, endpoints(spec), host);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->terminals.empty());
  EXPECT_EQ(plan->lines, (std::vector<LinePlan>{{.name = "serial0",
                                                 .upstream = api::UpstreamKind::dial,
                                                 .typing = Typing::socket,
                                                 .socket_path = "/run/vmline/web1/serial0.upstream",
                                                 .monitor_binds = true}}));
  EXPECT_FALSE(plan->processes[0].allow_ptrace);
  EXPECT_EQ(plan->processes[0].descriptors[0], (DescriptorAction{Source::null, 0, "", 0}));
  EXPECT_EQ(plan->processes[0].descriptors[1].text, "/var/web1/monitor.log");
  EXPECT_NE(config(spec).find(R"("serial":{"mode":"Socket","socket":"/run/vmline/web1/serial0.upstream"})"), std::string::npos);
}

TEST(CloudHypervisorPlan, OnlyOneCarriedLineCanBeTypedOn) {
  api::Spec spec = bare_spec();
  spec.lines[0].name = "debug0";
  spec.lines.emplace_back();
  spec.lines.emplace_back().name = "console0";
  auto plan = make_plan(spec, endpoints(spec), host);
  ASSERT_TRUE(plan) << plan.error().sentence();
  EXPECT_EQ(plan->lines[0].typing, Typing::none);
  EXPECT_EQ(plan->lines[0].no_typing, "the debug port has no input");
  EXPECT_EQ(plan->lines[1].typing, Typing::terminal);
  EXPECT_EQ(plan->lines[2].typing, Typing::none);
  EXPECT_EQ(plan->terminals.size(), 1u);
  EXPECT_EQ(plan->fifos.size(), 4u);
  // What the monitor opens for writing alone, it holds for reading too.
  const auto& descriptors = plan->processes[0].descriptors;
  ASSERT_EQ(descriptors.size(), 8u);
  EXPECT_EQ(descriptors[6], (DescriptorAction{Source::path, 1003, "/run/vmline/web1/debug0.out", O_RDWR}));
  EXPECT_EQ(descriptors[7], (DescriptorAction{Source::path, 1004, "/run/vmline/web1/console0.out", O_RDWR}));
  EXPECT_NE(config(spec).find(R"("serial":{"mode":"Tty"},"console":{"mode":"File","file":"/run/vmline/web1/console0.out"},)"
                              R"("debug_console":{"mode":"File","file":"/run/vmline/web1/debug0.out","iobase":233})"),
            std::string::npos)
      << config(spec);
}

TEST(CloudHypervisorPlan, AnInputThatIsOffLeavesStdinToTheNextLine) {
  api::Spec spec = bare_spec();
  spec.lines[0].input = false;
  spec.lines.emplace_back().name = "console0";
  auto plan = make_plan(spec, endpoints(spec), host);
  ASSERT_TRUE(plan) << plan.error().sentence();
  EXPECT_EQ(plan->lines[0].typing, Typing::none);
  EXPECT_EQ(plan->lines[0].no_typing, "the spec says input: false");
  EXPECT_EQ(plan->lines[1].typing, Typing::terminal);
  EXPECT_NE(config(spec).find(R"("serial":{"mode":"File","file":"/run/vmline/web1/serial0.out"},"console":{"mode":"Tty"})"),
            std::string::npos)
      << config(spec);
}

TEST(CloudHypervisorPlan, MakesAWholeVm) {
  api::Spec spec = bare_spec();
  spec.machine_id = "8f14e45f-ea0a-4c5b-9d1e-000000000001";
  spec.root_disk = api::Disk{"/r", "qcow2", false};
  spec.seed = "/seed";
  spec.disks = {{"/d", "raw", true}};
  spec.networks = {{"tap0", "52:54:00:00:00:01", "br0", true}};
  spec.shares = {{"home", "/srv", false}, {"a b", "/srv/b", true}};
  spec.netns = "blue";
  spec.uid = 0;
  EXPECT_EQ(config(spec),
            R"({"payload":{"kernel":"/k","cmdline":"console=ttyS0 root=/dev/vda1 rw ds=nocloud"},"cpus":{"boot_vcpus":1,"max_vcpus":1},)"
            R"("memory":{"size":536870912,"shared":true},"serial":{"mode":"Tty"},"console":{"mode":"Off"},)"
            R"("platform":{"uuid":"8f14e45f-ea0a-4c5b-9d1e-000000000001"},)"
            R"("disks":[{"path":"/r","readonly":false,"image_type":"Qcow2"},{"path":"/seed","readonly":true,"image_type":"Raw"},)"
            R"({"path":"/d","readonly":true,"image_type":"Raw"}],)"
            R"("net":[{"tap":"tap0","mac":"52:54:00:00:00:01","num_queues":2,"queue_size":256}],)"
            R"("fs":[{"tag":"home","socket":"/run/vmline/web1/fs-0.sock","num_queues":1,"queue_size":512},)"
            R"({"tag":"a b","socket":"/run/vmline/web1/fs-1.sock","num_queues":1,"queue_size":512}]})");
  auto plan = make_plan(spec, endpoints(spec), host);
  ASSERT_TRUE(plan) << plan.error().sentence();
  EXPECT_TRUE(plan->warnings.empty());
  EXPECT_EQ(plan->taps, (std::vector<Tap>{{"tap0", "br0", "/run/netns/blue", true}}));
  EXPECT_EQ(plan->listeners, (std::vector<Listener>{{"api", "/run/vmline/web1/api.sock"},
                                                    {"fs-home", "/run/vmline/web1/fs-0.sock", true},
                                                    {"fs.1", "/run/vmline/web1/fs-1.sock", true}}));
  ASSERT_EQ(plan->processes.size(), 3u);
  for (const Process& process : plan->processes) {
    EXPECT_EQ(process.netns, "/run/netns/blue");
    EXPECT_EQ(process.uid, 0u);
    EXPECT_EQ(process.sidecar, process.name != "monitor");
  }
  EXPECT_EQ(plan->processes[2].name, "monitor");
}

TEST(CloudHypervisorPlan, LaysMonitorConfigOverItsOwn) {
  api::Spec spec = bare_spec();
  spec.monitor_config = R"({"memory":{"hugepages":true},"console":{"mode":"Null"},"vsock":{"cid":3,"socket":"/v"},"cpus":null})";
  EXPECT_EQ(config(spec), R"({"payload":{"kernel":"/k","cmdline":"console=ttyS0"},"memory":{"size":536870912,"hugepages":true},)"
                          R"("serial":{"mode":"Tty"},"console":{"mode":"Null"},"vsock":{"cid":3,"socket":"/v"}})");
  for (const char* text : {"[]", "{", "3"}) {
    spec.monitor_config = text;
    EXPECT_EQ(refused(spec), "monitor_config is no JSON object");
  }
}

TEST(CloudHypervisorPlan, TellsOfAVersionThatGuessesFormats) {
  api::Spec spec = bare_spec();
  spec.root_disk = api::Disk{"/r", "raw", false};
  Host older = host;
  older.version = "46.0";
  EXPECT_TRUE(make_plan(spec, endpoints(spec), host)->warnings.empty());
  ASSERT_EQ(make_plan(spec, endpoints(spec), older)->warnings.size(), 1u);
  EXPECT_TRUE(make_plan(spec, endpoints(spec), older)->warnings[0].starts_with("cloud-hypervisor 46.0 guesses what a disk is"));
  spec.root_disk->readonly = true;
  EXPECT_TRUE(make_plan(spec, endpoints(spec), older)->warnings.empty());
  older.version = "45.0";
  EXPECT_FALSE(make_plan(spec, endpoints(spec), older));
}

TEST(CloudHypervisorPlan, RefusesWhatItCannotDo) {
  api::Spec spec = bare_spec();
  spec.lines[0].upstream = api::UpstreamKind::listen;
  EXPECT_EQ(refused(spec), "line serial0: cloud-hypervisor connects to no socket: use carried or dial");
  spec.lines[0] = {.name = "console0", .upstream = api::UpstreamKind::dial};
  EXPECT_EQ(refused(spec), "line console0: only cloud-hypervisor's serial port can be a socket");
  spec = bare_spec();
  spec.lines.emplace_back().name = "serial1";
  EXPECT_NE(refused(spec).find("lines serial0 and serial1 would be the same"), std::string::npos);
  spec = bare_spec();
  spec.kernel.clear();
  spec.disks.push_back({"/d"});
  EXPECT_EQ(refused(spec), "cloud-hypervisor boots a kernel or a firmware, a disk alone does not do");
  spec = bare_spec();
  spec.acceleration = "tcg";
  EXPECT_EQ(refused(spec), "cloud-hypervisor cannot emulate: acceleration tcg needs driver qemu");
}

TEST(CloudHypervisorPlan, StopsInFourSteps) {
  using Action = StopStep::Action;
  EXPECT_EQ(make_stop_steps(bare_spec()), (std::vector<StopStep>{{"power-button", Action::power_button, std::chrono::seconds(10)},
                                                                 {"vmm.shutdown", Action::quit, std::chrono::seconds(5)},
                                                                 {"SIGTERM", Action::terminate, std::chrono::seconds(2)},
                                                                 {"SIGKILL", Action::kill, std::chrono::seconds(2)}}));
}

}  // namespace
}  // namespace vmline::vmm::cloud_hypervisor
