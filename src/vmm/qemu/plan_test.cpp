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

const Host host{.binary = "/usr/bin/qemu-system-x86_64",
                .environment = {"A=b"},
                .kvm_opens = false,
                .kvm_error = "no",
                .virtiofsd = "/vfs",
                .root = true};

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
  return plan ? plan->processes.back().argv : Strings{plan.error().sentence()};
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
                                    "console=ttyS0 root=/dev/vda1 rw ds=nocloud",
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

TEST(QemuPlan, PinsAWholeVm) {
  api::Spec spec = bare_spec();
  spec.machine_id = "8f14e45f-ea0a-4c5b-9d1e-000000000001";
  spec.root_disk = api::Disk{"/r.qcow2", "qcow2", false};
  spec.cloud_init.emplace();
  spec.disks = {{"/d", "raw", false}};
  spec.networks = {{"tap0", "52:54:00:00:00:01", "br0", {}}};
  spec.shares = {{"home,x", "/srv/a b", true}};
  spec.netns = "blue";
  auto plan = plan_of(spec);
  ASSERT_TRUE(plan) << plan.error().sentence();
  EXPECT_EQ(plan->taps, (std::vector<Tap>{{"tap0", "br0", "/run/netns/blue", {}}}));
  EXPECT_EQ(plan->listeners, (std::vector<Listener>{{"fs.0", "/run/vmline/web1/fs-0.sock", true}}));
  ASSERT_EQ(plan->processes.size(), 2u);
  EXPECT_TRUE(plan->processes[0].sidecar);
  EXPECT_FALSE(plan->processes[1].sidecar);
  EXPECT_EQ(plan->processes[1].name, "monitor");
  EXPECT_EQ(plan->processes[1].netns, "/run/netns/blue");
  EXPECT_EQ(plan->processes[1].argv, (Strings{"/usr/bin/qemu-system-x86_64",
                                              "-no-user-config",
                                              "-nodefaults",
                                              "-name",
                                              "web1",
                                              "-machine",
                                              "q35,accel=tcg,memory-backend=memory",
                                              "-cpu",
                                              "max",
                                              "-m",
                                              "512M",
                                              "-smp",
                                              "1",
                                              "-object",
                                              "memory-backend-memfd,id=memory,size=536870912B,share=on",
                                              "-uuid",
                                              "8f14e45f-ea0a-4c5b-9d1e-000000000001",
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
                                              "console=ttyS0 root=/dev/vda1 rw ds=nocloud",
                                              "-drive",
                                              "file=/r.qcow2,if=none,id=disk0,format=qcow2,readonly=off",
                                              "-device",
                                              "virtio-blk-pci,drive=disk0",
                                              "-drive",
                                              "file=/var/web1/seed.iso,if=none,id=disk1,format=raw,readonly=on",
                                              "-device",
                                              "virtio-blk-pci,drive=disk1",
                                              "-drive",
                                              "file=/d,if=none,id=disk2,format=raw,readonly=off",
                                              "-device",
                                              "virtio-blk-pci,drive=disk2",
                                              "-netdev",
                                              "tap,id=net0,ifname=tap0,script=no,downscript=no",
                                              "-device",
                                              "virtio-net-pci,netdev=net0,mac=52:54:00:00:00:01,romfile=",
                                              "-chardev",
                                              "socket,id=share0,path=/run/vmline/web1/fs-0.sock",
                                              "-device",
                                              "vhost-user-fs-pci,chardev=share0,tag=home,,x,queue-size=512"}));
}

TEST(QemuPlan, MicrovmHasNoPciAndItsDisksInOrder) {
  api::Spec spec = bare_spec();
  spec.machine = "microvm";
  spec.lines.emplace_back().name = "console0";
  spec.disks = {{"/d", "raw", false}, {"/e", "raw", true}};
  spec.networks = {{"tap0", "52:54:00:00:00:01", "", {}}};
  spec.shares = {{"home", "/srv", false}};
  Strings argv = argv_of(spec);
  EXPECT_TRUE(has(argv, "-machine", "microvm,accel=tcg,acpi=on,isa-serial=on,pcie=off,pit=on,pic=on,rtc=on,memory-backend=memory"));
  EXPECT_TRUE(has(argv, "-global", "virtio-mmio.force-legacy=false"));
  EXPECT_TRUE(has(argv, "-device", "virtio-serial-device"));
  EXPECT_TRUE(has(argv, "-device", "virtio-blk-device,drive=disk0"));
  EXPECT_TRUE(has(argv, "-device", "virtio-blk-device,drive=disk1"));
  EXPECT_TRUE(has(argv, "-device", "virtio-net-device,netdev=net0,mac=52:54:00:00:00:01"));
  EXPECT_TRUE(has(argv, "-device", "vhost-user-fs-device,chardev=share0,tag=home,queue-size=512"));
  EXPECT_NE(plan_of(spec)->warnings.at(0).find("q35"), std::string::npos);
  for (const std::string& argument : argv) EXPECT_EQ(argument.find("-pci"), std::string::npos) << argument;
  spec.lines.emplace_back().name = "serial1";
  EXPECT_EQ(argv_of(spec), (Strings{"microvm has one serial port, and 2 are asked for: name the others console0, console1, …"}));
  spec.machine = "pc";
  EXPECT_EQ(argv_of(spec), (Strings{"machine pc: QEMU's q35 and microvm are known here"}));
}

TEST(QemuPlan, HasOnlySoMuchRoom) {
  api::Spec spec = bare_spec();
  spec.disks.assign(30, {"/d", "raw", false});
  EXPECT_GT(argv_of(spec).size(), 1u);
  spec.lines.emplace_back().name = "console0";
  EXPECT_EQ(argv_of(spec), (Strings{"q35's PCI bus has room for 30 disks, networks, shares and console devices, and 31 are asked for"}));
  spec.machine = "microvm";
  EXPECT_EQ(argv_of(spec), (Strings{"microvm has room for 24 disks, networks, shares and console devices, and 31 are asked for"}));
}

TEST(QemuPlan, TakesVhostOnlyWithKvm) {
  api::Spec spec = bare_spec();
  spec.networks = {{"tap0", "", "", {}}};
  Host fast = host;
  fast.vhost_net = true;
  EXPECT_FALSE(has(plan_of(spec, "/run", fast)->processes[0].argv, "-netdev", "tap,id=net0,ifname=tap0,script=no,downscript=no,vhost=on"));
  fast.kvm_opens = fast.cpu_virtualizes = true;
  EXPECT_TRUE(has(plan_of(spec, "/run", fast)->processes[0].argv, "-netdev", "tap,id=net0,ifname=tap0,script=no,downscript=no,vhost=on"));
}

TEST(QemuPlan, RefusesWhatItCannotDo) {
  api::Spec spec = bare_spec();
  spec.monitor_config = "{}";
  EXPECT_EQ(argv_of(spec), (Strings{"monitor_config: QEMU takes no JSON of a VM: give its options in monitor_args"}));
  Host old = host;
  old.version = "5.2.0";
  EXPECT_TRUE(plan_of(bare_spec(), "/run", old).error().sentence().starts_with("QEMU 5.2.0 is older than 6.0"));
}

TEST(QemuPlan, NobodyTypesWhereTheSpecSaysSo) {
  api::Spec spec = bare_spec();
  spec.lines[0].input = false;
  auto plan = plan_of(spec);
  EXPECT_EQ(plan->lines, (std::vector<LinePlan>{{.name = "serial0",
                                                 .output_fifo = "/run/vmline/web1/serial0.out",
                                                 .typing = Typing::none,
                                                 .no_typing = "the spec says input: false"}}));
  EXPECT_EQ(plan->fifos.size(), 4u);  // the pipe chardev wants both
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
