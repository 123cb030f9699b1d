// SPDX-License-Identifier: Apache-2.0
// Specs from files and flags.
#include "cli/spec_options.hpp"

#include <gtest/gtest.h>

#include "wire/api/spec_json.hpp"

namespace vmline::cli {
namespace {

TEST(SpecOptions, FlagsGoOverTheFileAndPathsAreFromWhereEachWasGiven) {
  RunFlags flags;
  flags.file = "specs/web.json";
  flags.memory = "2G";
  flags.initramfs = "mine.img";
  flags.disks = {"data.qcow2,format=qcow2,readonly"};
  std::string file = R"({"schema":"vmline.vm/v1","name":"web1","kernel":"vmlinuz","initramfs":"theirs.img","cpus":4,"memory":"1G"})";
  auto spec = spec_of_run(flags, file, "/srv/specs", "/home/me", "vm1");
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
  EXPECT_EQ(spec_of_run(flags, R"({"schema":"vmline.vm/v1","name":"theirs","kernel":"/k"})", "/", "/", "vm1")->name, "theirs");
  EXPECT_EQ(spec_of_run(flags, R"({"schema":"vmline.vm/v1","kernel":"/k"})", "/", "/", "vm1")->name, "vm1");
  flags.name = "mine";
  EXPECT_EQ(spec_of_run(flags, R"({"schema":"vmline.vm/v1","name":"theirs","kernel":"/k"})", "/", "/", "vm1")->name, "mine");
}

TEST(SpecOptions, AFileThatIsWrongIsNamed) {
  RunFlags flags;
  flags.file = "x.json";
  auto spec = spec_of_run(flags, R"({"schema":"vmline.vm/v1","kernel":"/k","cpus":"two"})", "/", "/", "vm1");
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().kind(), ErrorKind::usage);
  EXPECT_TRUE(spec.error().sentence().starts_with("x.json: /cpus")) << spec.error().sentence();
}

TEST(SpecOptions, WhatIsNoChoiceIsToldWithTheChoices) {
  RunFlags flags;
  flags.driver = "xen";
  EXPECT_EQ(spec_of_run(flags, {}, "/", "/", "vm1").error().sentence(), "--driver: 'xen' is not one of qemu, cloud-hypervisor");
  flags = {};
  flags.memory = "much";
  EXPECT_EQ(spec_of_run(flags, {}, "/", "/", "vm1").error().kind(), ErrorKind::usage);
}

TEST(SpecOptions, ADisksCommaIsWrittenTwice) {
  EXPECT_EQ(parse_disk("a,,b,readonly")->path, "a,b");
  EXPECT_FALSE(parse_disk("a,b"));
  EXPECT_FALSE(parse_disk(",readonly"));
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
