// SPDX-License-Identifier: Apache-2.0
// Claims about what a start depends on: the program, KVM, the files, the sockets' paths.
#include "vmm/host.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "vmm/acceleration.hpp"
#include "vmm/disks.hpp"
#include "vmm/guest.hpp"
#include "vmm/version.hpp"

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

  std::string make(const std::string& name, mode_t mode = 0755, const std::string& script = "echo a program v99.0\n") {
    std::string path = folder_ + "/" + name;
    std::ofstream(path) << "#!/bin/sh\n" << script;
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
  spec.disks[0].path = folder_;
  EXPECT_EQ(refused(), "disk " + folder_ + " is a folder: a disk is a file or a block device");
  spec.disks[0].path = "/dev/null";
  EXPECT_EQ(refused(), "disk /dev/null is a character device: a disk is a file or a block device");
  spec.disks[0].path = make("disk", 0400);
  if (::geteuid() != 0) {
    EXPECT_EQ(refused(), "disk " + folder_ + "/disk: Permission denied");
  }
  spec.disks[0].readonly = true;
  EXPECT_EQ(refused(), "");
  spec.directory = spec.kernel;
  EXPECT_EQ(refused(), "directory " + spec.kernel + ": Not a directory");
  spec.directory.clear();
  spec.shares.push_back({"home", spec.kernel, false});
  EXPECT_EQ(refused(), "share " + spec.kernel + ": Not a directory");
  spec.shares[0].path = folder_;
  EXPECT_EQ(refused(), "");
  spec.cgroup = "no/such/folder";
  EXPECT_EQ(refused(), "cgroup /sys/fs/cgroup/no/such/folder: No such file or directory");
  spec.cgroup.clear();
  spec.netns = "nowhere";
  EXPECT_EQ(refused(), "network namespace /run/netns/nowhere: No such file or directory");
}

TEST_F(HostFiles, ADiskIsInTheFormatThatTheSpecSays) {
  api::Spec spec = spec_for(api::DriverKind::qemu);
  spec.kernel = make("kernel");
  spec.root_disk = api::Disk{folder_ + "/disk", "raw", false};
  auto refused = [&] {
    auto checked = check_files(spec, endpoints_of(spec, "/run/vmline/web1", "/log"));
    return checked ? "" : checked.error().sentence();
  };
  std::ofstream(spec.root_disk->path, std::ios::binary) << "QFI\xfb and so on";
  EXPECT_EQ(refused(), "root disk " + folder_ + "/disk has a qcow2 header, and the spec says raw: say qcow2 (--disk PATH,format=qcow2)");
  spec.root_disk->format = "qcow2";
  EXPECT_EQ(refused(), "");
  std::ofstream(spec.root_disk->path, std::ios::binary) << "QFI";
  EXPECT_EQ(refused(), "root disk " + folder_ + "/disk has no qcow2 header, and the spec says qcow2");
  spec.root_disk->format = "raw";
  EXPECT_EQ(refused(), "");
  spec.seed = folder_;
  EXPECT_EQ(refused(), "seed " + folder_ + " is a folder: a disk is a file or a block device");
}

TEST_F(HostFiles, ACandidateThatCannotSayItsVersionIsPassedOver) {
  api::Spec spec = spec_for(api::DriverKind::cloud_hypervisor);
  std::filesystem::create_directory(folder_ + "/a");
  std::filesystem::create_directory(folder_ + "/b");
  const std::string bad = make("a/cloud-hypervisor", 0755, "echo libfoo.so is missing >&2\nexit 127\n");
  const std::string good = make("b/cloud-hypervisor", 0755, "echo cloud-hypervisor v53.0-246-gae44c2971\necho more\n");
  const std::vector<std::string> path = {"PATH=" + folder_ + "/a:" + folder_ + "/b"};
  auto host = probe_host(spec, path);
  ASSERT_TRUE(host) << host.error().sentence();
  EXPECT_EQ(host->binary, good);
  EXPECT_EQ(host->version, "53.0-246-gae44c2971");
  const std::string why = "program " + bad + ": --version: its exit status is 127: libfoo.so is missing";
  EXPECT_EQ(host->warnings, (std::vector<std::string>{"passed over: " + why}));
  EXPECT_EQ(probe_host(spec, {"PATH=" + folder_ + "/a"}).error().sentence(), why);
  EXPECT_EQ(probe_host(spec, {"VMLINE_CLOUD_HYPERVISOR=" + bad}).error().sentence(),
            "program " + bad + " (VMLINE_CLOUD_HYPERVISOR): --version: its exit status is 127: libfoo.so is missing");
  make("b/cloud-hypervisor", 0755, "kill -9 $$\n");
  EXPECT_EQ(probe_host(spec, path).error().sentence(),
            "none of the 2 programs cloud-hypervisor in PATH works; the first one: passed over: " + why);
  make("b/cloud-hypervisor", 0755, "echo hello\n");
  spec.binary = good;
  EXPECT_EQ(probe_host(spec, path).error().sentence(),
            "program " + good + " (from the spec): --version: there is no version in its answer");
}

TEST_F(HostFiles, AProgramThatDoesNotEndIsNotWaitedForLong) {
  api::Spec spec = spec_for(api::DriverKind::cloud_hypervisor);
  spec.binary = make("slow", 0755, "sleep 60 &\necho $! > " + folder_ + "/pid\nwait\n");
  auto host = probe_host(spec, {"PATH=/usr/bin:/bin"});
  ASSERT_FALSE(host);
  EXPECT_EQ(host.error().sentence(), "program " + spec.binary + " (from the spec): --version: no answer within 2s");
  // What it had started is gone too.
  pid_t pid = 0;
  std::ifstream(folder_ + "/pid") >> pid;
  ASSERT_GT(pid, 0);
  std::string state = "Z";
  for (int i = 0; i < 500 && ::kill(pid, 0) == 0; ++i) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string word;
    stat >> word >> word >> state;
    if (state == "Z") break;
    ::usleep(10000);
  }
  EXPECT_TRUE(::kill(pid, 0) != 0 || state == "Z");
  spec.binary = make("loud", 0755, "while :; do echo 0123456789; done\n");
  EXPECT_EQ(probe_host(spec, {}).error().sentence(),
            "program " + spec.binary + " (from the spec): --version: it says more than 4096 bytes");
  // One that leaves a daemon with its stdout behind has answered all the same.
  spec.binary = make("leaves", 0755, "sleep 60 &\necho v53.0\n");
  auto left = probe_host(spec, {"PATH=/usr/bin:/bin"});
  ASSERT_TRUE(left) << left.error().sentence();
  EXPECT_EQ(left->version, "53.0");
}

TEST_F(HostFiles, QemuIsAskedOnlyWhereThereIsAChoice) {
  api::Spec spec = spec_for(api::DriverKind::qemu);
  std::filesystem::create_directory(folder_ + "/a");
  const std::string bad = make("a/one", 0755, "exit 1\n"), good = make("one", 0755, "echo QEMU emulator version 7.2.22 '(Debian)'\n");
  spec.binary = "one";
  EXPECT_EQ(probe_host(spec, {"PATH=" + folder_ + "/a"})->binary, bad);
  EXPECT_EQ(probe_host(spec, {"PATH=" + folder_ + "/a:" + folder_})->binary, good);
  EXPECT_EQ(probe_host(spec, {"PATH=" + folder_ + "/a:" + folder_})->version, "7.2.22");
  // The same file by two names is no choice.
  std::filesystem::create_directory_symlink(folder_ + "/a", folder_ + "/b");
  EXPECT_EQ(probe_host(spec, {"PATH=" + folder_ + "/b:" + folder_ + "/a"})->binary, folder_ + "/b/one");
}

TEST_F(HostFiles, VirtiofsdIsLookedForWhereThereAreShares) {
  api::Spec spec = spec_for(api::DriverKind::qemu);
  spec.binary = make("monitor");
  EXPECT_EQ(probe_host(spec, {"VMLINE_VIRTIOFSD=/nowhere"})->virtiofsd, "");
  spec.shares.push_back({"home", folder_, false});
  EXPECT_EQ(probe_host(spec, {"VMLINE_VIRTIOFSD=/nowhere"}).error().sentence(),
            "program /nowhere (VMLINE_VIRTIOFSD): No such file or directory");
  const std::string found = make("virtiofsd"), given = make("mine");
  EXPECT_EQ(probe_host(spec, {"PATH=" + folder_})->virtiofsd, found);
  EXPECT_EQ(probe_host(spec, {"PATH=" + folder_, "VMLINE_VIRTIOFSD=" + given})->virtiofsd, given);
  spec.virtiofsd = given;
  EXPECT_EQ(probe_host(spec, {"VMLINE_VIRTIOFSD=/nowhere"})->virtiofsd, given);
  spec.virtiofsd = "no-such-virtiofsd";
  EXPECT_EQ(probe_host(spec, {"PATH=" + folder_}).error().sentence(),
            "no program no-such-virtiofsd in " + folder_ +
                ":/usr/libexec:/usr/lib:/usr/local/bin, and shares need it; install it, or name it with VMLINE_VIRTIOFSD");
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
  EXPECT_EQ(command_line_of(spec), "console=ttyS0 root=/dev/vda1 rw ds=nocloud");
  spec.disks.clear();
  spec.root_disk = api::Disk{"/r"};
  EXPECT_EQ(command_line_of(spec), "console=ttyS0 root=/dev/vda1 rw ds=nocloud");
  spec.cmdline = "";
  EXPECT_EQ(command_line_of(spec), "");
  spec.seed = "/s";
  spec.cloud_init.emplace();
  EXPECT_EQ(check_guest(spec).error().sentence(), "a seed is given, and cloud_init to make one from: one of the two");
}

TEST(Guest, KnowsWhereNobodyTypes) {
  api::Spec spec = spec_for(api::DriverKind::qemu);
  EXPECT_EQ(no_input_of(spec, "serial0"), "");
  EXPECT_EQ(no_input_of(spec, "debug0"), "the debug port has no input");
  spec.lines[0].input = false;
  EXPECT_EQ(no_input_of(spec, "serial0"), "the spec says input: false");
}

TEST(Disks, StandAsRootDiskSeedAndTheRest) {
  api::Spec spec = spec_for(api::DriverKind::qemu);
  auto order = [&] {
    std::string out;
    for (const api::Disk& disk : disks_of(spec, endpoints_of(spec, "/run/web1", "/var/web1/monitor.log"))) {
      out += disk.path + (disk.readonly ? "(ro) " : " ");
    }
    return out;
  };
  EXPECT_EQ(order(), "");
  spec.disks = {{"/d1"}, {"/d2", "qcow2", true}};
  EXPECT_EQ(order(), "/d1 /d2(ro) ");
  spec.seed = "/seed";
  EXPECT_EQ(order(), "/d1 /seed(ro) /d2(ro) ");
  spec.root_disk = api::Disk{"/root"};
  EXPECT_EQ(order(), "/root /seed(ro) /d1 /d2(ro) ");
  spec.seed.clear();
  spec.cloud_init.emplace();
  EXPECT_EQ(order(), "/root /var/web1/seed.iso(ro) /d1 /d2(ro) ");
}

TEST(Versions, AreReadAndOldOnesRefused) {
  EXPECT_EQ(version_in("cloud-hypervisor v53.0-246-gae44c2971-dirty\nMigration Protocol Versions: 0\n"), "53.0-246-gae44c2971-dirty");
  EXPECT_EQ(version_in("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\n"), "7.2.22");
  EXPECT_EQ(version_in("Firecracker v1.17.0-dev\n"), "1.17.0-dev");
  EXPECT_EQ(version_in("hello\n9.9\n"), "");
  EXPECT_EQ(version_in("v99999999999.0"), "");
  EXPECT_EQ(version_of("46.0"), (Version{46, 0}));
  EXPECT_FALSE(version_of("46"));
  EXPECT_TRUE(check_version(cloud_hypervisor_versions, "46.0", {}));
  EXPECT_TRUE(check_version(cloud_hypervisor_versions, "", {}));
  EXPECT_EQ(check_version(cloud_hypervisor_versions, "45.1", {}).error().sentence(),
            "cloud-hypervisor 45.1 is older than 46.0, the oldest that vmline takes (tested: 46.0, 52.0, 53.0 and the development branch "
            "after it): install a newer one, or insist with VMLINE_ANY_VERSION=1");
  EXPECT_TRUE(check_version(cloud_hypervisor_versions, "45.1", {"A=b", "VMLINE_ANY_VERSION=1"}));
  EXPECT_FALSE(check_version(qemu_versions, "5.2.0", {"VMLINE_ANY_VERSION=0"}));
}

}  // namespace
}  // namespace vmline::vmm
