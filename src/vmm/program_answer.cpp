// SPDX-License-Identifier: Apache-2.0
// See program_answer.hpp. posix_spawn, as a fork would copy the page tables of a keeper that has a large spool mapped.
#include "vmm/program_answer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>

#include "base/limits.hpp"
#include "base/unique_fd.hpp"
#include "vmm/words.hpp"
#include "wire/api/size.hpp"

namespace vmline::vmm {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

/// Ended and reaped when it goes, whatever it did until then.
class Child {
 public:
  Child(const std::vector<std::string>& argv, const std::vector<std::string>& environment, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, output, 1);
    ::posix_spawn_file_actions_adddup2(&actions, output, 2);
    ::posix_spawnattr_init(&attributes);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    error_ = ::posix_spawn(&pid_, argv.at(0).c_str(), &actions, &attributes, pointers(argv).data(), pointers(environment).data());
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error_ == 0) pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  }
  ~Child() {
    if (error_ == 0) status();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] int error() const { return error_; }
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  /// Ends it, and what it has started. 0 too where SIGCHLD is ignored and the kernel has reaped it: its number may be somebody else's then.
  int status() {
    if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0) == 0) ::kill(-pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
    error_ = ECHILD;
    return status;
  }

 private:
  pid_t pid_ = -1;
  int error_ = 0;
  UniqueFd pidfd_;
};

std::string end_of(int status, const std::string& said) {
  std::string end = WIFSIGNALED(status) ? fmt::format("it was ended by signal {}", WTERMSIG(status))
                                        : fmt::format("its exit status is {}", WEXITSTATUS(status));
  std::string words = plain_words(said);
  return words.empty() ? end : end + ": " + words;
}

}  // namespace

Result<std::string> ask_program(const std::vector<std::string>& argv, const std::vector<std::string>& environment) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return fail_errno("pipe");
  UniqueFd reader(ends[0]), writer(ends[1]);
  const auto until = Clock::now() + limits::program_answer_time;
  Child child(argv, environment, writer.get());
  writer.reset();
  if (child.error() != 0) return std::unexpected(Error::system("run it", child.error()));
  std::string said;
  for (bool ended = false;;) {
    char buffer[1024];
    ssize_t size = ::read(reader.get(), buffer, sizeof buffer);
    if (size > 0) said.append(buffer, static_cast<std::size_t>(size));
    if (said.size() > limits::program_answer) return fail(fmt::format("it says more than {} bytes", limits::program_answer));
    if (size > 0 || (size < 0 && errno == EINTR)) continue;
    // What it left behind may hold the pipe open: its own end is the end, once the pipe has been read empty after it.
    if (ended) break;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0) {
      return fail("no answer within " + api::format_duration(limits::program_answer_time), ErrorKind::timed_out);
    }
    pollfd waited[2] = {{child.pidfd(), POLLIN, 0}, {size == 0 ? -1 : reader.get(), POLLIN, 0}};
    if (::poll(waited, 2, static_cast<int>(left.count()) + 1) > 0) ended = waited[0].revents != 0;
  }
  if (int status = child.status(); status != 0) return fail(end_of(status, said));
  return said;
}

}  // namespace vmline::vmm
