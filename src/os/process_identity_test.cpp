// SPDX-License-Identifier: Apache-2.0
// A process is found again by who it is, and no other in its place: not one with its pid, not one with its start time too.
#include "os/process_identity.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "os/files.hpp"

namespace vmline::os {
namespace {

namespace fs = std::filesystem;

/// A program that waits to be killed; it is what its exec made of it when this returns.
class Sleeper {
 public:
  explicit Sleeper(const std::string& program, const std::string& argument = "60") {
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) != 0) ::abort();
    pid = ::fork();
    if (pid == 0) {
      ::execl(program.c_str(), program.c_str(), argument.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(pipe[1]);
    char byte = 0;
    (void)!::read(pipe[0], &byte, 1);  // closed by exec
    ::close(pipe[0]);
  }
  ~Sleeper() { end(); }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  void kill() const { ::kill(pid, SIGKILL); }
  void end() {
    if (pid <= 0) return;
    kill();
    ::waitpid(pid, nullptr, 0);
    pid = -1;
  }
  pid_t pid = -1;
};

class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "vmline-identity-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path;
};

TEST(ProcessIdentity, ComesBackFromItsLine) {
  auto ours = ProcessIdentity::of(::getpid());
  ASSERT_TRUE(ours);
  EXPECT_EQ(*ProcessIdentity::parse(ours->line()), *ours);
  ASSERT_TRUE(ours->learn_executable());
  EXPECT_EQ(*ProcessIdentity::parse(ours->line()), *ours);
  EXPECT_TRUE(ours->open());
  ProcessIdentity made{.pid = 12, .start_ticks = 345, .boot_id = "b-1", .executable = Executable{.major = 8, .minor = 1, .inode = 4711}};
  EXPECT_EQ(made.line(), "12 345 b-1 8:1:4711\n");
  EXPECT_EQ(*ProcessIdentity::parse("12 345 b-1 8:1:4711"), made);
}

TEST(ProcessIdentity, HasOneLineAndNothingElseIsRead) {
  ASSERT_TRUE(ProcessIdentity::parse("1 2 b"));
  for (const char* wrong : {"",
                            "\n",
                            "1",
                            "1 2",
                            "0 2 b",
                            "-1 2 b",
                            "x 2 b",
                            "1 x b",
                            "01 2 b",
                            "+1 2 b",
                            "1 02 b",
                            "1  2 b",
                            " 1 2 b",
                            "1 2 b ",
                            "1 2 b\n\n",
                            "1\n2 b",
                            "1 2 b 8:1",
                            "1 2 b 8:1:",
                            "1 2 b ::",
                            "1 2 b 8:1:2:3",
                            "1 2 b 8:1:x",
                            "1 2 b 8:01:2",
                            "1 2 b 8:1:2 x",
                            "1 2 b -8:1:2",
                            "4294967297 2 b",
                            "1 99999999999999999999 b",
                            "1 2 b 8:1:99999999999999999999",
                            "1 2 b 4294967296:1:2"}) {
    EXPECT_FALSE(ProcessIdentity::parse(wrong)) << wrong;
  }
}

TEST(ProcessIdentity, IsNotOpenedOnceItHasEnded) {
  Sleeper sleeper("/bin/sleep");
  auto identity = ProcessIdentity::of(sleeper.pid);
  ASSERT_TRUE(identity && identity->learn_executable());
  EXPECT_TRUE(identity->open());
  sleeper.kill();
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(sleeper.pid), &info, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(identity->open()) << "a zombie's executable cannot be looked at, and its status is still to be asked for";
  auto again = *identity;
  EXPECT_FALSE(again.learn_executable());
  EXPECT_EQ(again, *identity);
  sleeper.end();
  EXPECT_FALSE(identity->open());
}

TEST(ProcessIdentity, OutlivesAnUpgradeOfItsProgram) {
  Folder folder;
  const std::string program = folder.path + "/monitor";
  fs::copy_file("/bin/sleep", program);
  Sleeper sleeper(program);
  auto identity = ProcessIdentity::of(sleeper.pid);
  ASSERT_TRUE(identity && identity->learn_executable());
  fs::copy_file("/bin/sleep", program + ".new");
  fs::rename(program + ".new", program);
  EXPECT_TRUE(fs::read_symlink("/proc/" + std::to_string(sleeper.pid) + "/exe").string().ends_with(" (deleted)"));
  EXPECT_TRUE(identity->open());
  ASSERT_TRUE(identity->learn_executable());
  Sleeper next(program);
  auto other = ProcessIdentity::of(next.pid);
  ASSERT_TRUE(other && other->learn_executable());
  EXPECT_NE(other->executable, identity->executable);
}

TEST(ProcessIdentity, WithoutAnExecutableIsTheSameAfterAWrappersExec) {
  Folder folder;
  const std::string wrapper = folder.path + "/wrapper";
  ASSERT_TRUE(write_file(wrapper, "#!/bin/sh\nread -r go <\"$1\"\nexec /bin/sleep 60\n", 0700));
  const std::string fifo = folder.path + "/go";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  Sleeper sleeper(wrapper, fifo);
  auto early = ProcessIdentity::of(sleeper.pid);
  auto too_early = early;
  ASSERT_TRUE(early && too_early->learn_executable());
  UniqueFd go(::open(fifo.c_str(), O_WRONLY | O_CLOEXEC));  // waits until the wrapper reads
  ASSERT_EQ(::write(go.get(), "\n", 1), 1);
  const std::string exe = "/proc/" + std::to_string(sleeper.pid) + "/exe";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!fs::equivalent(exe, "/bin/sleep") && std::chrono::steady_clock::now() < deadline) ::usleep(1000);
  EXPECT_TRUE(early->open());
  EXPECT_FALSE(too_early->open()) << "learnt of the shell, it is no identity of the monitor";
  ASSERT_TRUE(early->learn_executable());
  EXPECT_TRUE(early->open());
}

TEST(ProcessIdentity, OneOfTheSamePidAndTickButAnotherProgramIsAnother) {
  Sleeper sleeper("/bin/sleep");
  auto theirs = ProcessIdentity::of(sleeper.pid);
  ASSERT_TRUE(theirs && theirs->learn_executable());
  auto ours = ProcessIdentity::of(::getpid());
  ours->executable = theirs->executable;
  EXPECT_FALSE(ours->open());
}

// In the namespace below, process 1.
enum Outcome { good = 0, no_proc = 10, no_process = 11, not_opened = 12, no_reuse = 13, opened_another = 14, opened_none = 15 };

pid_t fork_as(pid_t pid) {
  clone_args wish{};
  wish.exit_signal = SIGCHLD;
  wish.set_tid = reinterpret_cast<std::uintptr_t>(&pid);
  wish.set_tid_size = 1;
  return static_cast<pid_t>(::syscall(SYS_clone3, &wish, sizeof wish));
}

Outcome reuse_a_pid() {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 || ::mount("proc", "/proc", "proc", 0, nullptr) != 0)
    return no_proc;
  for (int round = 0; round < 20; ++round) {
    Sleeper monitor("/bin/sleep");
    auto identity = ProcessIdentity::of(monitor.pid);
    if (!identity || !identity->learn_executable()) return no_process;
    const std::string line = identity->line();
    if (!identity->open()) return not_opened;
    const pid_t pid = monitor.pid;
    monitor.end();
    const pid_t decoy = fork_as(pid);
    if (decoy == 0) {
      while (true) ::pause();
    }
    if (decoy != pid) return no_reuse;
    const bool opened = ProcessIdentity::parse(line)->open().has_value();
    ::kill(decoy, SIGKILL);
    ::waitpid(decoy, nullptr, 0);
    if (opened) return opened_another;
    if (ProcessIdentity::parse(line)->open()) return opened_none;
  }
  return good;
}

TEST(ProcessIdentity, AReusedPidIsNeverOpened) {
  const pid_t outer = ::fork();
  if (outer == 0) {
    if (::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) ::_exit(no_proc);
    const pid_t first = ::fork();
    if (first == 0) ::_exit(reuse_a_pid());
    int status = 0;
    ::waitpid(first, &status, 0);
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(outer, &status, 0), outer);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == no_proc) GTEST_SKIP() << "no pid namespace of our own can be made here";
  if (WEXITSTATUS(status) == no_reuse) GTEST_SKIP() << "this kernel gives no process a pid that is asked for";
  EXPECT_EQ(WEXITSTATUS(status), good);
}

}  // namespace
}  // namespace vmline::os
