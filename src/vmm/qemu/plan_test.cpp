// SPDX-License-Identifier: Apache-2.0
// QEMU's command lines, pinned; hostile paths stay one value.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "vmm/qemu/qemu.hpp"
#include "vmm/qemu/quote.hpp"

namespace vmline::vmm::qemu {
namespace {

using Source = DescriptorAction::Source;
using Strings = std::vector<std::string>;

const Host host{
    .binary = "/usr/bin/qemu-system-x86_64", .environment = {"A=b"}, .kvm_opens = false, .kvm_error = "no", .cpu_virtualizes = false};

api::Spec bare_spec() {
  api::Spec spec;
  spec.name = "web1";
  spec.kernel = "/k";
  spec.lines.emplace_back();
  return spec;
}
Result<Plan> plan_of(const api::Spec& spec, const std::string& run = "/run/vmline/web1", const Host& on = host) {
  return make_plan(spec, endpoints_of(spec, run, "/var/web1/monitor.log"), on);
}
Strings argv_of(const api::Spec& spec, const std::string& run = "/run/vmline/web1") {
  auto plan = plan_of(spec, run);
  return plan ? plan->processes.at(0).argv : Strings{plan.error().sentence()};
}
bool has(const Strings& argv, const std::string& option, const std::string& value) {
  for (std::size_t i = 0; i + 1 < argv.size(); ++i) {
    if (argv[i] == option && argv[i + 1] == value) return true;
  }
  return false;
}

TEST(QemuPlan, PinsTheWholeCommandLine) {
  api::Spec spec = bare_spec();
  spec.initramfs = "/i";
  spec.cpus = 2;
  spec.disks = {{"/d,1", "raw", false}, {"/e", "raw", true}};
  spec.monitor_args = {"-bios", "qboot.rom"};
  EXPECT_EQ(argv_of(spec), (Strings{"/usr/bin/qemu-system-x86_64",
                                    "-no-user-config",
                                    "-nodefaults",
                                    "-name",
                                    "web1",
                                    "-machine",
                                    "q35,accel=tcg",
                                    "-cpu",
                                    "max",
                                    "-m",
                                    "512M",
                                    "-smp",
                                    "2",
                                    "-display",
                                    "none",
                                    "-vga",
                                    "none",
                                    "-S",
                                    "-chardev",
                                    "pipe,id=qmp,path=/run/vmline/web1/qmp",
                                    "-mon",
                                    "chardev=qmp,mode=control",
                                    "-chardev",
                                    "pipe,id=line-serial0,path=/run/vmline/web1/serial0",
                                    "-serial",
                                    "chardev:line-serial0",
                                    "-kernel",
                                    "/k",
                                    "-append",
                                    "console=ttyS0 root=/dev/vda1 rw",
                                    "-initrd",
                                    "/i",
                                    "-drive",
                                    "file=/d,,1,if=none,id=disk0,format=raw,readonly=off",
                                    "-device",
                                    "virtio-blk-pci,drive=disk0",
                                    "-drive",
                                    "file=/e,if=none,id=disk1,format=raw,readonly=on",
                                    "-device",
                                    "virtio-blk-pci,drive=disk1",
                                    "-bios",
                                    "qboot.rom"}));
}

TEST(QemuPlan, CarriesLinesAndControlOnFifos) {
  auto plan = plan_of(bare_spec());
  ASSERT_TRUE(plan) << plan.error().sentence();
  const std::string run = "/run/vmline/web1/", log = "/var/web1/monitor.log";
  EXPECT_EQ(plan->fifos, (std::vector<Fifo>{
                             {run + "qmp.out", true}, {run + "qmp.in", true}, {run + "serial0.out", false}, {run + "serial0.in", false}}));
  EXPECT_EQ(plan->lines,
            (std::vector<LinePlan>{{.name = "serial0", .output_fifo = run + "serial0.out", .input_fifo = run + "serial0.in"}}));
  EXPECT_EQ(plan->control_out, run + "qmp.out");
  EXPECT_EQ(plan->control_in, run + "qmp.in");
  EXPECT_EQ(plan->acceleration, "tcg");
  EXPECT_TRUE(plan->terminals.empty());
  const Process& monitor = plan->processes.at(0);
  EXPECT_EQ(monitor.environment, (Strings{"A=b"}));
  EXPECT_FALSE(monitor.allow_ptrace);
  EXPECT_EQ(monitor.descriptors, (std::vector<DescriptorAction>{{Source::null, 0, "", 0},
                                                                {Source::path, 1, log, O_WRONLY | O_CREAT | O_APPEND},
                                                                {Source::path, 2, log, O_WRONLY | O_CREAT | O_APPEND}}));
}

TEST(QemuPlan, DialsAndListens) {
  api::Spec spec = bare_spec();
  spec.lines[0].upstream = api::UpstreamKind::dial;
  EXPECT_TRUE(has(argv_of(spec), "-chardev", "socket,id=line-serial0,path=/run/vmline/web1/serial0.upstream,server=on,wait=off"));
  EXPECT_TRUE(plan_of(spec)->lines[0].monitor_binds);
  EXPECT_EQ(plan_of(spec)->fifos.size(), 2u);
  spec.lines[0].upstream = api::UpstreamKind::listen;
  spec.lines[0].path = "/my,socket";
  EXPECT_TRUE(has(argv_of(spec), "-chardev", "socket,id=line-serial0,path=/my,,socket,server=off"));
  EXPECT_FALSE(plan_of(spec)->lines[0].monitor_binds);
}

TEST(QemuPlan, GivesEachLineItsDevice) {
  api::Spec spec = bare_spec();
  for (const char* name : {"serial1", "console0", "console1", "debug0"}) spec.lines.emplace_back().name = name;
  Strings argv = argv_of(spec);
  EXPECT_TRUE(has(argv, "-serial", "chardev:line-serial0"));
  EXPECT_TRUE(has(argv, "-serial", "chardev:line-serial1"));
  EXPECT_TRUE(has(argv, "-device", "virtconsole,chardev=line-console0"));
  EXPECT_TRUE(has(argv, "-device", "virtconsole,chardev=line-console1"));
  EXPECT_TRUE(has(argv, "-device", "isa-debugcon,iobase=0xe9,chardev=line-debug0"));
  EXPECT_EQ(std::ranges::count(argv, "virtio-serial-pci"), 1);
  EXPECT_EQ(plan_of(spec)->lines[4].no_typing, "the debug port has no input");
  for (const char* name : {"serial2", "serial3", "other"}) spec.lines.emplace_back().name = name;
  EXPECT_EQ(argv_of(spec), (Strings{"a PC has at most 4 serial ports, and 5 are asked for"}));
}

TEST(QemuPlan, AHostilePathStaysOneValue) {
  api::Spec spec = bare_spec();
  spec.kernel.clear();
  spec.disks = {{"/a,readonly=on,,x", "raw", false}, {"nbd:localhost:1", "raw", false}};
  Strings argv = argv_of(spec, "/run/x,id=evil");
  EXPECT_TRUE(has(argv, "-drive", "file=/a,,readonly=on,,,,x,if=none,id=disk0,format=raw,readonly=off"));
  EXPECT_TRUE(has(argv, "-drive", "file=./nbd:localhost:1,if=none,id=disk1,format=raw,readonly=off"));
  EXPECT_TRUE(has(argv, "-chardev", "pipe,id=line-serial0,path=/run/x,,id=evil/serial0"));
  EXPECT_EQ(quoted(",,"), ",,,,");
  EXPECT_EQ(quoted(""), "");
}

TEST(QemuPlan, MemoryIsExact) {
  api::Spec spec = bare_spec();
  spec.memory = (1u << 20) + 1;
  EXPECT_TRUE(has(argv_of(spec), "-m", "1048577B"));
  spec.memory = 3ull << 30;
  EXPECT_TRUE(has(argv_of(spec), "-m", "3G"));
}

TEST(QemuPlan, BootsAFirmware) {
  api::Spec spec = bare_spec();
  spec.kernel.clear();
  spec.firmware = "/fw";
  EXPECT_TRUE(has(argv_of(spec), "-bios", "/fw"));
  EXPECT_EQ(std::ranges::count(argv_of(spec), "-append"), 0);
}

TEST(QemuPlan, UsesKvmWhereItIs) {
  Host fast = host;
  fast.kvm_opens = fast.cpu_virtualizes = true;
  auto plan = plan_of(bare_spec(), "/run", fast);
  EXPECT_EQ(plan->acceleration, "kvm");
  EXPECT_TRUE(has(plan->processes[0].argv, "-machine", "q35,accel=kvm"));
}

}  // namespace
}  // namespace vmline::vmm::qemu
