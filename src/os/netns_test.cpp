// SPDX-License-Identifier: Apache-2.0
// What is no network namespace is told for what it is; whoever asks for work in one stays where it was.
#include "os/netns.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

namespace vmline::os {
namespace {

TEST(Netns, WhatIsNoneIsToldForWhatItIs) {
  EXPECT_EQ(open_netns("/no/such").error().sentence(), "network namespace /no/such: No such file or directory");
  EXPECT_EQ(open_netns("/no/such").error().kind(), ErrorKind::not_found);
  EXPECT_EQ(open_netns("/etc/passwd").error().sentence(),
            "network namespace /etc/passwd: no namespace is there, only a file (`ip netns add` makes one)");
  EXPECT_EQ(open_netns("/proc/self/ns/uts").error().sentence(), "network namespace /proc/self/ns/uts: it is a namespace of another kind");
  EXPECT_TRUE(open_netns("/proc/self/ns/net"));
}

TEST(Netns, WorkIsDoneOnAnotherThreadThatTakesNoSignals) {
  const auto caller = std::this_thread::get_id();
  auto worker = caller;
  sigset_t blocked;
  ::sigemptyset(&blocked);
  auto done = in_netns("/proc/self/ns/net", [&] {
    worker = std::this_thread::get_id();
    ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  });
  if (!done && ::geteuid() != 0) GTEST_SKIP() << done.error().sentence();
  ASSERT_TRUE(done) << done.error().sentence();
  EXPECT_NE(worker, caller);
  EXPECT_EQ(::sigismember(&blocked, SIGTERM), 1);
  ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  EXPECT_EQ(::sigismember(&blocked, SIGTERM), 0);
  ASSERT_TRUE(in_netns("", [&] { worker = std::this_thread::get_id(); }));
  EXPECT_EQ(worker, caller);
}

TEST(Netns, AFifoInItsPlaceBlocksNobody) {
  const std::string path = std::filesystem::temp_directory_path() / ("vmline-netns-" + std::to_string(::getpid()));
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  auto opened = open_netns(path);
  ::unlink(path.c_str());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind(), ErrorKind::usage);
}

}  // namespace
}  // namespace vmline::os
