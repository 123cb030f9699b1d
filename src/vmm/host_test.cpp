// SPDX-License-Identifier: Apache-2.0
// Claims about what a start depends on: the program, KVM, the files, the sockets' paths.
#include "vmm/host.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "vmm/acceleration.hpp"
#include "vmm/guest.hpp"

namespace vmline::vmm {
namespace {

/// A folder of its own, gone with the test.
class HostFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "vmline-host-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string make(const std::string& name, mode_t mode = 0755) {
    std::string path = folder_ + "/" + name;
    std::ofstream(path) << "#!/bin/sh\n";
    ::chmod(path.c_str(), mode);
    return path;
  }
  std::string folder_;
};

api::Spec spec_for(api::DriverKind driver) {
  api::Spec spec;
  spec.name = "web1";
  spec.driver = driver;
  spec.lines.emplace_back();
  return spec;
}

TEST_F(HostFiles, TheSpecsBinaryGoesBeforeTheEnvironmentAndThatBeforePath) {
  std::string one = make("one"), two = make("two"), in_path = make("qemu-system-x86_64");
  api::Spec spec = spec_for(api::DriverKind::qemu);
  std::vector<std::string> environment = {"PATH=" + folder_, "VMLINE_QEMU=" + two};
  spec.binary = one;
  EXPECT_EQ(probe_host(spec, environment)->binary, one);
  spec.binary = "one";
  EXPECT_EQ(probe_host(spec, environment)->binary, one);
  spec.binary.clear();
  EXPECT_EQ(probe_host(spec, environment)->binary, two);
  EXPECT_EQ(probe_host(spec, {"PATH=" + folder_})->binary, in_path);
  EXPECT_EQ(probe_host(spec, environment)->environment, environment);
}

TEST_F(HostFiles, AMissingProgramIsToldWithThePlacesLookedAt) {
  api::Spec spec = spec_for(api::DriverKind::cloud_hypervisor);
  EXPECT_EQ(probe_host(spec, {"PATH=" + folder_ + "::relative:/usr/bin:" + folder_}).error().sentence(),
            "no program cloud-hypervisor in " + folder_ +
                ":/usr/bin:/usr/local/bin; install it, or name it with --binary or VMLINE_CLOUD_HYPERVISOR");
  EXPECT_EQ(probe_host(spec, {"VMLINE_CLOUD_HYPERVISOR=/nowhere/ch"}).error().sentence(),
            "program /nowhere/ch (VMLINE_CLOUD_HYPERVISOR): No such file or directory");
  spec.binary = make("plain", 0644);
  if (::geteuid() != 0 || ::access(spec.binary.c_str(), X_OK) != 0) {
    EXPECT_EQ(probe_host(spec, {}).error().sentence(), "program " + spec.binary + " (from the spec): Permission denied");
  }
  spec.binary = folder_;
  EXPECT_EQ(probe_host(spec, {}).error().sentence(), "program " + folder_ + " (from the spec): Permission denied");
}

TEST_F(HostFiles, ACommandIsFoundAsAShellFindsIt) {
  api::Spec spec = spec_for(api::DriverKind::exec);
  spec.command = {"tool", "x"};
  EXPECT_EQ(probe_host(spec, {"PATH=" + folder_}).error().sentence(), "no program tool in " + folder_ + ":/usr/bin:/usr/local/bin");
  std::string tool = make("tool");
  EXPECT_EQ(probe_host(spec, {"PATH=" + folder_})->binary, tool);
  spec.command[0] = tool;
  EXPECT_EQ(probe_host(spec, {})->binary, tool);
}

TEST_F(HostFiles, FilesAreCheckedBeforeAnythingIsMade) {
  api::Spec spec = spec_for(api::DriverKind::qemu);
  auto refused = [&] {
    auto checked = check_files(spec, endpoints_of(spec, "/run/vmline/web1", "/log"));
    return checked ? "" : checked.error().sentence();
  };
  spec.kernel = "/nowhere/kernel";
  EXPECT_EQ(refused(), "kernel /nowhere/kernel: No such file or directory");
  spec.kernel = folder_;
  EXPECT_EQ(refused(), "kernel " + folder_ + ": Is a directory");
  spec.kernel = make("kernel");
  spec.initramfs = folder_ + "/initramfs";
  EXPECT_EQ(refused(), "initramfs " + spec.initramfs + ": No such file or directory");
  spec.initramfs.clear();
  EXPECT_EQ(refused(), "");
  spec.disks.push_back({folder_ + "/disk"});
  EXPECT_EQ(refused(), "disk " + folder_ + "/disk: No such file or directory");
  make("disk", 0400);
  if (::geteuid() != 0) {
    EXPECT_EQ(refused(), "disk " + folder_ + "/disk: Permission denied");
  }
  spec.disks[0].readonly = true;
  EXPECT_EQ(refused(), "");
  spec.directory = spec.kernel;
  EXPECT_EQ(refused(), "directory " + spec.kernel + ": Not a directory");
}

TEST_F(HostFiles, ASocketsPathThatDoesNotFitIsNamed) {
  api::Spec spec = spec_for(api::DriverKind::cloud_hypervisor);
  auto check = [&](std::size_t bytes) {
    // RUN/NAME/serial0.sock is longer than api.sock.
    std::string run = "/" + std::string(bytes - std::string("//serial0.sock").size(), 'r');
    return check_files(spec, endpoints_of(spec, run, "/log"));
  };
  EXPECT_TRUE(check(107));
  auto checked = check(108);
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().sentence().find("/serial0.sock: the path has 108 bytes, and a socket's has at most 107"), std::string::npos);
  EXPECT_EQ(checked.error().kind(), ErrorKind::usage);
}

TEST(Acceleration, AutoTakesKvmOnlyWhereTheCpuOffersIt) {
  for (bool opens : {false, true}) {
    for (bool flags : {false, true}) {
      Host host{.kvm_opens = opens, .kvm_error = "Permission denied", .cpu_virtualizes = flags};
      EXPECT_EQ(choose_acceleration("auto", host)->kvm, opens && flags);
      EXPECT_FALSE(choose_acceleration("tcg", host)->kvm);
      auto kvm = choose_acceleration("kvm", host);
      ASSERT_EQ(kvm.has_value(), opens);
      if (kvm) {
        EXPECT_EQ(kvm->warning.empty(), flags);
      }
      auto required = require_kvm("auto", host, "cloud-hypervisor");
      ASSERT_EQ(required.has_value(), opens);
      if (required) {
        EXPECT_EQ(required->warning.empty(), flags);
      }
    }
  }
  Host host{.kvm_error = "Permission denied"};
  EXPECT_EQ(choose_acceleration("kvm", host).error().sentence(),
            "open /dev/kvm: Permission denied (acceleration auto or tcg goes without)");
  EXPECT_EQ(require_kvm("auto", host, "cloud-hypervisor").error().sentence(),
            "cloud-hypervisor needs KVM: open /dev/kvm: Permission denied (driver qemu goes without)");
  EXPECT_FALSE(require_kvm("tcg", Host{.kvm_opens = true}, "cloud-hypervisor"));
}

TEST(Guest, HasSomethingToBoot) {
  api::Spec spec = spec_for(api::DriverKind::qemu);
  EXPECT_EQ(check_guest(spec).error().sentence(), "there is nothing to boot: give a kernel, a firmware or a disk");
  spec.initramfs = "/i";
  EXPECT_EQ(check_guest(spec).error().sentence(), "an initramfs without a kernel cannot be booted");
  spec.kernel = "/k";
  EXPECT_TRUE(check_guest(spec));
  EXPECT_EQ(command_line_of(spec), "console=ttyS0");
  spec.disks.push_back({"/d"});
  EXPECT_EQ(command_line_of(spec), "console=ttyS0 root=/dev/vda1 rw");
  spec.cmdline = "";
  EXPECT_EQ(command_line_of(spec), "");
}

}  // namespace
}  // namespace vmline::vmm
