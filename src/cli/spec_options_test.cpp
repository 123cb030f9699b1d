// SPDX-License-Identifier: Apache-2.0
// Specs from files and flags.
#include "cli/spec_options.hpp"

#include <gtest/gtest.h>

#include "wire/api/spec_json.hpp"

namespace vmline::cli {
namespace {

RunSources from_file(std::string_view text) {
  return {.folder = "/home/me", .file = std::string(text), .file_folder = "/srv/specs", .default_name = "vm1"};
}
RunSources no_file() { return {.folder = "/home/me", .default_name = "vm1"}; }
RunSources with_host(std::string_view text) {
  RunSources sources = no_file();
  sources.host = api::parse_host_file(text).value();
  sources.host_folder = "/etc/vmline";
  return sources;
}
std::string refused(const RunFlags& flags, const RunSources& sources) {
  auto spec = spec_of_run(flags, sources);
  return spec ? "taken" : spec.error().sentence();
}

TEST(SpecOptions, FlagsGoOverTheFileAndPathsAreFromWhereEachWasGiven) {
  RunFlags flags;
  flags.file = "specs/web.json";
  flags.memory = "2G";
  flags.initramfs = "mine.img";
  flags.disks = {"data.qcow2,format=qcow2,readonly"};
  std::string file = R"({"schema":"vmline.vm/v1","name":"web1","kernel":"vmlinuz","initramfs":"theirs.img","cpus":4,"memory":"1G"})";
  auto spec = spec_of_run(flags, from_file(file));
  ASSERT_TRUE(spec) << spec.error().sentence();
  EXPECT_EQ(spec->name, "web1");
  EXPECT_EQ(spec->kernel, "/srv/specs/vmlinuz");
  EXPECT_EQ(spec->initramfs, "/home/me/mine.img");
  EXPECT_EQ(spec->cpus, 4u);
  EXPECT_EQ(spec->memory, std::uint64_t{2} << 30);
  ASSERT_EQ(spec->disks.size(), 1u);
  EXPECT_EQ(spec->disks[0].path, "/home/me/data.qcow2");
  EXPECT_EQ(spec->disks[0].format, "qcow2");
  EXPECT_TRUE(spec->disks[0].readonly);
}

TEST(SpecOptions, ANameOnTheCommandLineComesFirstAndTheDefaultLast) {
  RunFlags flags;
  flags.file = "x.json";
  EXPECT_EQ(spec_of_run(flags, from_file(R"({"schema":"vmline.vm/v1","name":"theirs","kernel":"/k"})"))->name, "theirs");
  EXPECT_EQ(spec_of_run(flags, from_file(R"({"schema":"vmline.vm/v1","kernel":"/k"})"))->name, "vm1");
  flags.name = "mine";
  EXPECT_EQ(spec_of_run(flags, from_file(R"({"schema":"vmline.vm/v1","name":"theirs","kernel":"/k"})"))->name, "mine");
}

TEST(SpecOptions, AFileThatIsWrongIsNamed) {
  RunFlags flags;
  flags.file = "x.json";
  auto spec = spec_of_run(flags, from_file(R"({"schema":"vmline.vm/v1","kernel":"/k","cpus":"two"})"));
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().kind(), ErrorKind::usage);
  EXPECT_TRUE(spec.error().sentence().starts_with("x.json: /cpus")) << spec.error().sentence();
}

TEST(SpecOptions, WhatIsNoChoiceIsToldWithTheChoices) {
  RunFlags flags;
  flags.driver = "xen";
  EXPECT_EQ(spec_of_run(flags, no_file()).error().sentence(), "--driver: 'xen' is not one of qemu, cloud-hypervisor, firecracker");
  flags = {};
  flags.memory = "much";
  EXPECT_EQ(spec_of_run(flags, no_file()).error().kind(), ErrorKind::usage);
}

TEST(SpecOptions, EveryPartOfAVmHasItsFlag) {
  RunFlags flags;
  flags.driver = "cloud-hypervisor";
  flags.kernel = "k";
  flags.root_disk = "root.qcow2,format=qcow2,readonly";
  flags.disks = {"a,,b"};
  flags.networks = {"auto", "tap=t0,mac=52:54:00:AA:bb:cc,bridge=br0,ours=yes", "ours=no,tap=t1"};
  flags.shares = {"src=../src,readonly"};
  flags.matches = {"oom=Out of memory: (\\d+), or so"};
  flags.user_data = "cloud.yaml";
  flags.monitor_config = "more.json";
  flags.ready_marker = "";
  flags.netns = "blue";
  flags.cgroup = "vms/web1";
  flags.uid = 0;
  flags.gid = 36;
  flags.machine_id = "8C1F0B3A-52D4-4E0E-9D3B-0B8F7A3C1E55";
  flags.virtiofsd = "virtiofsd";
  RunSources sources = no_file();
  sources.user_data = "#cloud-config\n";
  sources.monitor_config = R"({"memory": {"hugepages": true}})";
  auto spec = spec_of_run(flags, sources);
  ASSERT_TRUE(spec) << spec.error().sentence();
  EXPECT_EQ(spec->root_disk->path, "/home/me/root.qcow2");
  EXPECT_EQ(spec->root_disk->format, "qcow2");
  EXPECT_TRUE(spec->root_disk->readonly);
  EXPECT_EQ(spec->disks.at(0).path, "/home/me/a,b");
  ASSERT_EQ(spec->networks.size(), 3u);
  EXPECT_EQ(spec->networks[0].tap, "");
  EXPECT_EQ(spec->networks[1].mac, "52:54:00:aa:bb:cc");
  EXPECT_EQ(spec->networks[1].ours, true);
  EXPECT_EQ(spec->networks[2].ours, false);
  EXPECT_EQ(spec->shares.at(0).path, "/home/me/../src");
  EXPECT_TRUE(spec->shares.at(0).readonly);
  EXPECT_EQ(spec->matches.at(0).regex, "Out of memory: (\\d+), or so");
  EXPECT_EQ(spec->cloud_init->user_data, "#cloud-config\n");
  EXPECT_EQ(spec->monitor_config, R"({"memory":{"hugepages":true}})");
  EXPECT_EQ(spec->ready.marker, "");
  EXPECT_EQ(spec->netns, "blue");
  EXPECT_EQ(spec->cgroup, "/sys/fs/cgroup/vms/web1");
  EXPECT_EQ(spec->uid, 0u);
  EXPECT_EQ(spec->gid, 36u);
  EXPECT_EQ(spec->machine_id, "8c1f0b3a-52d4-4e0e-9d3b-0b8f7a3c1e55");
  EXPECT_EQ(spec->virtiofsd, "virtiofsd");
}

TEST(SpecOptions, AFlagThatMakesNoSenseIsToldBeforeAnythingStarts) {
  RunFlags flags;
  flags.matches = {"a=("};
  EXPECT_EQ(refused(flags, no_file()), "/matches/0/regex: match a: '(' is no regular expression: missing ): (");
  flags = {};
  flags.monitor_config = "more.json";
  RunSources sources = no_file();
  sources.monitor_config = "{";
  EXPECT_EQ(refused(flags, sources), "more.json: line 1, column 2: incomplete JSON");
  sources.monitor_config = "[]";
  EXPECT_EQ(refused(flags, sources), "more.json: is not a JSON object");
  flags = {};
  flags.driver = "firecracker";
  flags.shares = {"a=/a"};
  EXPECT_EQ(refused(flags, no_file()), "/shares: an array of 1 is only for drivers qemu and cloud-hypervisor");
  flags = {};
  flags.kernel = "/\xff\n";
  EXPECT_EQ(refused(flags, no_file()), "/kernel: text of 3 bytes is not UTF-8");
  flags.kernel = "/a\nb";
  EXPECT_EQ(refused(flags, no_file()), R"(/kernel: "/a\nb" has a control character in it)");
  flags = {};
  flags.name = "a,b";
  EXPECT_TRUE(refused(flags, no_file()).starts_with("/name: \"a,b\" is not a VM's name: "));
}

TEST(SpecOptions, AFileIsBlamedForWhatIsInItAndAFlagForWhatItMakesOfIt) {
  RunFlags flags;
  flags.file = "x.json";
  RunSources sources = from_file(R"({"schema":"vmline.vm/v1","machine":"microvm","kernel":"k"})");
  EXPECT_EQ(refused(flags, sources), "taken");
  flags.driver = "cloud-hypervisor";
  EXPECT_EQ(refused(flags, sources), R"(x.json: /machine: "microvm" is only for driver qemu)");
  sources = from_file(R"({"schema":"vmline.vm/v1","driver":"cloud-hypervisor","kernel":"k"})");
  flags = {};
  flags.file = "x.json";
  flags.machine = "microvm";
  EXPECT_EQ(refused(flags, sources), R"(/machine: "microvm" is only for driver qemu)");
}

TEST(SpecOptions, TheHostsDefaultsGoUnderTheFileAndTheFlags) {
  RunSources sources = with_host(R"({"schema":"vmline.host/v1","defaults":{"driver":"cloud-hypervisor","binary":"bin/ch","cpus":4,
    "memory":"2G","kernel":"vmlinuz","initramfs":"initrd","stop":{"guest_ms":1,"term_ms":2},"machine":"microvm",
    "cloud_init":{"user_data":"u"},"networks":[{"bridge":"br0"}],"lines":[{"spool":"4M"}]}})");
  RunFlags flags;
  flags.cpus = 2;
  auto spec = spec_of_run(flags, sources);
  ASSERT_TRUE(spec) << spec.error().sentence();
  EXPECT_EQ(spec->driver, api::DriverKind::cloud_hypervisor);
  EXPECT_EQ(spec->binary, "/etc/vmline/bin/ch");
  EXPECT_EQ(spec->cpus, 2u);
  EXPECT_EQ(spec->memory, 2ull << 30);
  EXPECT_EQ(spec->kernel, "/etc/vmline/vmlinuz");
  EXPECT_EQ(spec->machine, "q35");  // of no use to this driver
  EXPECT_EQ(spec->networks.at(0).bridge, "br0");
  EXPECT_EQ(spec->lines.at(0).spool, 4u << 20);
  EXPECT_EQ(spec->name, "vm1");

  // Another driver has no use for the first one's program, and a kernel of one's own goes without another's initramfs.
  sources.file = R"({"schema":"vmline.vm/v1","name":"a","stop":{"guest_ms":7},"lines":[{"replay":"none"}],"networks":[]})";
  sources.file_folder = "/srv";
  flags = {};
  flags.file = "x.json";
  flags.driver = "qemu";
  flags.kernel = "mine";
  flags.seed = "s.iso";
  spec = spec_of_run(flags, sources);
  ASSERT_TRUE(spec) << spec.error().sentence();
  EXPECT_EQ(spec->driver, api::DriverKind::qemu);
  EXPECT_EQ(spec->binary, "");
  EXPECT_EQ(spec->machine, "microvm");
  EXPECT_EQ(spec->kernel, "/home/me/mine");
  EXPECT_EQ(spec->initramfs, "");
  EXPECT_FALSE(spec->cloud_init);
  EXPECT_EQ(spec->stop.guest.count(), 7);
  EXPECT_EQ(spec->stop.term.count(), 2);
  EXPECT_TRUE(spec->networks.empty());
  EXPECT_EQ(spec->lines.at(0).spool, limits::spool_default);  // an array is replaced as a whole
}

TEST(SpecOptions, ACommandIsGivenNothingThatIsForGuests) {
  RunSources sources = with_host(R"({"schema":"vmline.host/v1","defaults":{"cpus":4,"memory":"2G","kernel":"/k","restart":"always"}})");
  sources.file = R"({"schema":"vmline.vm/v1","name":"a","driver":"exec","command":["true"]})";
  sources.file_folder = "/srv";
  RunFlags flags;
  flags.file = "x.json";
  auto spec = spec_of_run(flags, sources);
  ASSERT_TRUE(spec) << spec.error().sentence();
  EXPECT_EQ(spec->cpus, 1u);
  EXPECT_EQ(spec->restart, api::Restart::always);
}

TEST(SpecOptions, KeepTakesExactlyOneUpstream) {
  KeepFlags flags;
  flags.name = "x";
  EXPECT_FALSE(spec_of_keep(flags, "/tmp"));
  flags.connect = "serial.sock";
  auto spec = spec_of_keep(flags, "/tmp");
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->driver, api::DriverKind::none);
  EXPECT_EQ(spec->lines[0].upstream, api::UpstreamKind::dial);
  EXPECT_EQ(spec->lines[0].path, "/tmp/serial.sock");
  EXPECT_TRUE(api::check_spec(*spec));
  flags.command = {"cat"};
  EXPECT_FALSE(spec_of_keep(flags, "/tmp"));
}

TEST(SpecOptions, ACommandRunsWhereItWasGiven) {
  KeepFlags flags;
  flags.name = "x";
  flags.command = {"./serve", "--connect", "x"};
  flags.pty = true;
  auto spec = spec_of_keep(flags, "/tmp");
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->driver, api::DriverKind::exec);
  EXPECT_EQ(spec->command, (std::vector<std::string>{"/tmp/./serve", "--connect", "x"}));
  EXPECT_EQ(spec->directory, "/tmp");
  EXPECT_TRUE(spec->pty);
  EXPECT_TRUE(api::check_spec(*spec)) << api::check_spec(*spec).error().sentence();
}

}  // namespace
}  // namespace vmline::cli
