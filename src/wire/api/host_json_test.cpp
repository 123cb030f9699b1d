// SPDX-License-Identifier: Apache-2.0
// Claims about vmline.host/v1: which defaults a VM gets, what no VM may exceed, how a bad file is told.
#include "wire/api/host_json.hpp"

#include <gtest/gtest.h>

namespace vmline::api {
namespace {

HostFile host_of(std::string_view fields) {
  auto host = parse_host_file(R"({"schema":"vmline.host/v1",)" + std::string(fields) + "}");
  EXPECT_TRUE(host) << host.error().sentence();
  return host.value_or(HostFile{});
}
std::string refused(std::string_view text) {
  auto host = parse_host_file(text);
  return host ? "taken" : host.error().sentence();
}
std::string refused_with(std::string_view fields) { return refused(R"({"schema":"vmline.host/v1",)" + std::string(fields) + "}"); }

TEST(HostJson, TakesDefaultsAndLimitsAndNeedsNeither) {
  EXPECT_EQ(refused(R"({"schema":"vmline.host/v1"})"), "taken");
  HostFile host = host_of(R"("defaults":{"cpus":2},"limits":{"cpus":4,"memory":"8G","disks":0,"vms":10})");
  EXPECT_EQ(host.limits.cpus, 4u);
  EXPECT_EQ(host.limits.memory, 8ull << 30);
  EXPECT_EQ(host.limits.disks, 0u);
  EXPECT_EQ(host.limits.vms, 10u);
  EXPECT_EQ(spec_of_defaults(host, DriverKind::qemu, {}, "/").cpus, 2u);
  EXPECT_FALSE(host_of(R"("limits":{})").limits.memory);
}

TEST(HostJson, NamesWhatIsWrongByItsPointer) {
  EXPECT_EQ(refused("{}"), "/schema: is not \"vmline.host/v1\", which must be there");
  EXPECT_EQ(refused("[]"), "/: an array of 0 is not an object");
  EXPECT_EQ(refused(""), "line 1, column 1: incomplete JSON");
  EXPECT_EQ(refused_with(R"("default":{})"), "/default: is not known; the fields here are schema, defaults, limits");
  EXPECT_EQ(refused_with(R"("limits":{"cpu":1})"), "/limits/cpu: is not known; the fields here are cpus, memory, disks, vms");
  EXPECT_EQ(refused_with(R"("limits":{"memory":"lots"})"), R"(/limits/memory: "lots" is not a size from 1M to 16T)");
  EXPECT_EQ(refused_with(R"("limits":{"vms":-1})"), "/limits/vms: -1 is not a number from 0 to 4294967295");
  EXPECT_EQ(refused_with(R"("defaults":{"cpus":"two"})"), R"(/defaults/cpus: "two" is not a number from 1 to 1024)");
  EXPECT_EQ(refused_with(R"("defaults":{"disks":[{"path":"/a"},{"path":"/a"}]})"),
            R"(/defaults/disks/1/path: "/a" is the image of /disks/0/path already)");
  EXPECT_EQ(refused_with(R"("defaults":{"seed":"/s","cloud_init":{}})"),
            "/defaults/cloud_init: an object is given beside seed: a VM has one of the two");
  // What is one VM's own is nobody's default.
  for (const char* field : {"schema", "name", "command", "machine_id"})
    EXPECT_TRUE(refused_with(R"("defaults":{")" + std::string(field) + R"(":"x"})")
                    .starts_with("/defaults/" + std::string(field) + ": is not known"));
}

TEST(HostJson, ADriverGetsTheDefaultsThatItHasAUseFor) {
  HostFile host = host_of(R"("defaults":{"driver":"cloud-hypervisor","binary":"ch","machine":"microvm","uid":7,"monitor_args":["-v"],
    "monitor_config":{"a":1},"shares":[{"tag":"a","path":"a"}],"networks":[{}],"kernel":"k"})");
  EXPECT_EQ(default_driver(host), DriverKind::cloud_hypervisor);
  EXPECT_EQ(default_driver(HostFile{}), DriverKind::qemu);
  Spec spec = spec_of_defaults(host, DriverKind::cloud_hypervisor, {}, "/etc/vmline");
  EXPECT_EQ(spec.driver, DriverKind::cloud_hypervisor);
  EXPECT_EQ(spec.binary, "ch");
  EXPECT_EQ(spec.machine, "q35");
  EXPECT_EQ(spec.uid, 7u);
  EXPECT_EQ(spec.monitor_args.size(), 1u);
  EXPECT_EQ(spec.monitor_config, R"({"a":1})");
  EXPECT_EQ(spec.shares.at(0).path, "/etc/vmline/a");
  EXPECT_EQ(spec.kernel, "/etc/vmline/k");
  spec = spec_of_defaults(host, DriverKind::qemu, {}, "/");
  EXPECT_EQ(spec.binary, "");
  EXPECT_EQ(spec.machine, "microvm");
  EXPECT_TRUE(spec.monitor_args.empty());
  EXPECT_EQ(spec.shares.size(), 1u);
  spec = spec_of_defaults(host, DriverKind::firecracker, {}, "/");
  EXPECT_EQ(spec.monitor_config, "");
  EXPECT_TRUE(spec.shares.empty());
  EXPECT_EQ(spec.networks.size(), 1u);
  spec = spec_of_defaults(host, DriverKind::exec, {}, "/");
  EXPECT_EQ(spec.kernel, "");
  EXPECT_EQ(spec.uid, 7u);
}

TEST(HostJson, WhatAUserBootsTakesThePlaceOfAllThatTheDefaultsBoot) {
  HostFile host = host_of(R"("defaults":{"kernel":"/k","initramfs":"/i","cmdline":"quiet","cloud_init":{"user_data":"u"}})");
  Spec spec = spec_of_defaults(host, DriverKind::qemu, {"kernel", "seed"}, "/");
  EXPECT_EQ(spec.kernel + spec.initramfs, "");
  EXPECT_EQ(spec.cmdline, "quiet");
  EXPECT_FALSE(spec.cloud_init);
  spec = spec_of_defaults(host, DriverKind::qemu, {"firmware"}, "/");
  EXPECT_EQ(spec.kernel + spec.initramfs, "");
  EXPECT_FALSE(spec.cmdline);
  spec = spec_of_defaults(host, DriverKind::qemu, {"initramfs"}, "/");
  EXPECT_EQ(spec.kernel, "/k");
}

TEST(HostJson, ASpecBeyondALimitIsToldWithTheLimit) {
  HostLimits limits{.cpus = 2, .memory = 1ull << 30, .disks = 1, .vms = 3};
  Spec spec;
  spec.cpus = 2;
  spec.memory = 1ull << 30;
  spec.root_disk = Disk{"/r"};
  EXPECT_TRUE(check_limits(limits, spec));
  spec.disks.push_back({"/d"});
  EXPECT_EQ(check_limits(limits, spec).error().sentence(), "2 disks are more than the 1 of /limits/disks");
  spec.memory += 1;
  EXPECT_EQ(check_limits(limits, spec).error().sentence(), "1073741825 of memory is more than the 1G of /limits/memory");
  spec.cpus = 3;
  EXPECT_EQ(check_limits(limits, spec).error().sentence(), "3 cpus are more than the 2 of /limits/cpus");
  EXPECT_EQ(check_limits(limits, spec).error().kind(), ErrorKind::usage);
  EXPECT_TRUE(check_limits({}, spec));
  EXPECT_TRUE(check_vms(limits, 2));
  EXPECT_EQ(check_vms(limits, 3).error().sentence(), "3 VMs run, and /limits/vms allows 3; stop one first");
  EXPECT_TRUE(check_vms({}, 1000));
}

}  // namespace
}  // namespace vmline::api
