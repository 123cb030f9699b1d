// SPDX-License-Identifier: Apache-2.0
// A planned process comes back out of its record whole, and each step that can fail is told by what it failed on.
#include "keeper/start_record.hpp"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "wire/holder/start_record.hpp"

namespace vmline::keeper {
namespace {

using Source = vmm::DescriptorAction::Source;
using wire::holder::StartStep;

vmm::Process monitor() {
  return {.name = "monitor",
          .argv = {"/usr/bin/monitor", "--flag"},
          .environment = {"A=1"},
          .directory = "/srv",
          .descriptors = {{.source = Source::path, .target = 1, .text = "/run/web1/serial0.out", .flags = O_RDWR},
                          {.source = Source::held, .target = 3, .text = "listen:api", .flags = 0},
                          {.source = Source::pty_slave, .target = 0, .text = "pty:serial0", .flags = 0}},
          .netns = "/run/netns/blue",
          .cgroup = "/sys/fs/cgroup/web1",
          .uid = 1000,
          .gid = 107};
}

std::string sentence(const UniqueFd& record, StartStep step, int number, std::int64_t action = 0) {
  return start_failure(record.get(), static_cast<std::int64_t>(step) | action << 8, number).sentence();
}

TEST(StartFailure, NamesWhatTheStepFailedOn) {
  auto record = make_start_record(monitor(), "/run/web1/monitor.pid");
  ASSERT_TRUE(record) << record.error().sentence();
  EXPECT_EQ(sentence(*record, StartStep::record, EPROTONOSUPPORT),
            "the holder is of another version of vmline: install one version, and start the VM anew");
  EXPECT_EQ(sentence(*record, StartStep::record, ENOSPC), "ask the holder for it: No space left on device");
  EXPECT_EQ(sentence(*record, StartStep::child, EAGAIN), "make a process: Resource temporarily unavailable");
  EXPECT_EQ(sentence(*record, StartStep::cgroup, ENOENT), "move it into cgroup /sys/fs/cgroup/web1: No such file or directory");
  EXPECT_EQ(sentence(*record, StartStep::cgroup, EINVAL), "/sys/fs/cgroup/web1 is no folder of cgroup v2");
  EXPECT_EQ(sentence(*record, StartStep::netns, EPERM), "enter network namespace /run/netns/blue: Operation not permitted");
  EXPECT_EQ(sentence(*record, StartStep::netns, EINVAL), "/run/netns/blue is no network namespace");
  EXPECT_EQ(sentence(*record, StartStep::descriptor, EACCES), "open /run/web1/serial0.out for its descriptor 1: Permission denied");
  EXPECT_EQ(sentence(*record, StartStep::descriptor, ENOENT, 1), "give it listen:api as descriptor 3: No such file or directory");
  EXPECT_EQ(sentence(*record, StartStep::descriptor, EIO, 2), "open the pty of pty:serial0 for its descriptor 0: Input/output error");
  EXPECT_EQ(sentence(*record, StartStep::descriptor, EBADF, 9), "place a descriptor: Bad file descriptor");
  EXPECT_EQ(sentence(*record, StartStep::identity, ENOSPC), "write /run/web1/monitor.pid: No space left on device");
  EXPECT_EQ(sentence(*record, StartStep::user, EPERM), "become user 1000 and group 107: Operation not permitted");
  EXPECT_EQ(sentence(*record, StartStep::directory, EACCES), "enter its directory /srv: Permission denied");
  EXPECT_EQ(sentence(*record, StartStep::exec, EACCES), "run /usr/bin/monitor: Permission denied");
}

TEST(StartFailure, OfARecordThatCannotBeReadIsToldAllTheSame) {
  EXPECT_EQ(start_failure(-1, static_cast<std::int64_t>(StartStep::exec), ENOENT).sentence(), "run : No such file or directory");
  EXPECT_EQ(start_failure(-1, 5 | 3 << 8, ENOENT).sentence(), "place a descriptor: No such file or directory");
  EXPECT_EQ(start_failure(-1, 200, EIO).sentence(), "start it: Input/output error");
}

TEST(StartRecordOfAProcess, AUserWithoutAGroupIsRefusedWhereItWouldKeepOurs) {
  vmm::Process process = monitor();
  process.gid.reset();
  process.uid = ::geteuid() + 1;
  auto record = make_start_record(process, "");
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error().kind(), ErrorKind::usage);
  process.uid = ::geteuid();
  EXPECT_TRUE(make_start_record(process, ""));
  process.argv.push_back(std::string("a\0b", 3));
  EXPECT_FALSE(make_start_record(process, ""));
}

}  // namespace
}  // namespace vmline::keeper
