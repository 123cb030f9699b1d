// SPDX-License-Identifier: Apache-2.0
// Between fork and exec, in the order in which the steps can fail; one thread, so that anything but waiting is allowed.
#include "holder/child.hpp"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "holder/identity.hpp"
#include "holder/oom_score.hpp"

namespace vmline::holder {

namespace {

class Child {
 public:
  Child(const StartPlan& plan, const HeldTable& held, int failure_pipe) : plan_(plan), held_(held), pipe_(failure_pipe) {}

  [[noreturn]] void fail(wire::StartStep step, std::int32_t action = 0) {
    const ChildFailure failure{step, action, errno};
    [[maybe_unused]] const ssize_t written = ::write(pipe_, &failure, sizeof(failure));
    ::_exit(127);
  }

  void place_descriptors() {
    // No source may lie where something is going to be placed: it would be closed by that. All of them are close-on-exec, as everything
    // that the holder has is, so that what is not placed is gone with exec.
    pipe_ = clear_of_targets(pipe_);
    int sources[wire::start_actions_max];
    for (std::uint32_t i = 0; i < plan_.action_count; ++i) {
      sources[i] = open_source(plan_.actions[i], plan_.strings[i]);
      if (sources[i] >= 0) sources[i] = clear_of_targets(sources[i]);
      if (sources[i] < 0) fail(wire::StartStep::descriptor, static_cast<std::int32_t>(i));
    }
    const int null = clear_of_targets(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (int number = 0; number <= 2; ++number) {
      // A program without one of these would take the next file it opens for its output.
      if (!is_target(number)) ::dup2(null, number);
    }
    for (std::uint32_t i = 0; i < plan_.action_count; ++i) {
      if (::dup2(sources[i], plan_.actions[i].target) < 0) fail(wire::StartStep::descriptor, static_cast<std::int32_t>(i));
    }
  }

 private:
  [[nodiscard]] bool is_target(int number) const {
    for (std::uint32_t i = 0; i < plan_.action_count; ++i) {
      if (plan_.actions[i].target == number) return true;
    }
    return false;
  }

  /// The same open file at a number of at least 3 that is nobody's target, or -1 with errno.
  [[nodiscard]] int clear_of_targets(int fd) const {
    while (fd >= 0 && (fd <= 2 || is_target(fd))) fd = ::fcntl(fd, F_DUPFD_CLOEXEC, fd < 3 ? 3 : fd + 1);
    return fd;
  }

  [[nodiscard]] int open_source(const wire::Action& action, const char* string) const {
    switch (action.source) {
      case wire::Source::path: return ::open(string, action.flags | O_CLOEXEC, 0600);
      case wire::Source::held:
      case wire::Source::pty_slave: {
        const int fd = held_.fd_of(string);
        if (fd < 0) {
          errno = ENOENT;
          return -1;
        }
        return action.source == wire::Source::held ? fd : ::ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
      }
      case wire::Source::null: return ::open("/dev/null", O_RDWR | O_CLOEXEC);
    }
    errno = EINVAL;
    return -1;
  }

  const StartPlan& plan_;
  const HeldTable& held_;
  int pipe_;
};

/// Whatever lies there instead of what should, a FIFO or a terminal, neither blocks nor becomes the child's by being opened.
constexpr int open_wary = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

/// Moves this process into a folder of cgroup v2. False with errno; EINVAL for a folder of another kind.
bool enter_cgroup(const char* folder) {
  const UniqueFd there(::open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct statfs system{};
  if (!there || ::fstatfs(there.get(), &system) != 0) return false;
  if (system.f_type != CGROUP2_SUPER_MAGIC) {
    errno = EINVAL;
    return false;
  }
  const UniqueFd processes(::openat(there.get(), "cgroup.procs", O_WRONLY | open_wary));
  return processes && ::write(processes.get(), "0", 1) == 1;
}

/// False with errno; EINVAL for what is no network namespace.
bool enter_netns(const char* path) {
  const UniqueFd netns(::open(path, O_RDONLY | open_wary));
  return netns && ::setns(netns.get(), CLONE_NEWNET) == 0;
}

/// Becomes the user and group of the plan, without any other group. False with errno. Who is that already, and has no right to become
/// anybody, keeps all groups.
bool become_user(const StartPlan& plan) {
  uid_t uid[3];
  gid_t gid[3];
  ::getresuid(&uid[0], &uid[1], &uid[2]);
  ::getresgid(&gid[0], &gid[1], &gid[2]);
  bool changes = false;
  for (uid_t& one : uid) {
    if ((plan.flags & wire::start_as_user) == 0 || one == plan.uid) continue;
    one = plan.uid;
    changes = true;
  }
  for (gid_t& one : gid) {
    if ((plan.flags & wire::start_as_group) == 0 || one == plan.gid) continue;
    one = plan.gid;
    changes = true;
  }
  if (!changes) return true;
  return ::setgroups(0, nullptr) == 0 && ::setresgid(gid[0], gid[1], gid[2]) == 0 && ::setresuid(uid[0], uid[1], uid[2]) == 0;
}

void die_with(int holder) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != holder) ::_exit(127);
}

}  // namespace

int fork_with_pidfd(UniqueFd& pidfd) {
  int number = -1;
  // clone, since clone3 is refused by some containers' seccomp profiles. As fork: a copy, on the same place of its own stack.
  const long pid = ::syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, nullptr, &number, nullptr, nullptr);
  if (pid > 0) pidfd.reset(number);
  return static_cast<int>(pid);
}

void reset_signals() {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal <= SIGRTMAX; ++signal) ::sigaction(signal, &action, nullptr);
  // libc keeps these two for itself and refuses them, but who started us may have left them ignored.
  struct {
    void (*handler)(int) = SIG_DFL;
    unsigned long flags = 0;
    void (*restorer)() = nullptr;
    unsigned long mask = 0;
  } kernel_action;
  for (int signal : {32, 33}) ::syscall(SYS_rt_sigaction, signal, &kernel_action, nullptr, sizeof kernel_action.mask);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void become(const StartPlan& plan, const HeldTable& held, const Original& original, int failure_pipe, int holder) {
  Child child(plan, held, failure_pipe);
  // Until it is written down who this is, it does not outlive the holder: whoever finds no identity file knows that there is no child.
  die_with(holder);
  ::setsid();
  reset_signals();
  // What it is going to use up is counted where it belongs from here on.
  if (plan.cgroup[0] != 0 && !enter_cgroup(plan.cgroup)) child.fail(wire::StartStep::cgroup);
  if (plan.netns[0] != 0 && !enter_netns(plan.netns)) child.fail(wire::StartStep::netns);
  // Opened and written with the holder's rights: what lies in RUN/NAME is not the monitor's user's.
  child.place_descriptors();
  if (original.oom_changed) write_oom_score(original.oom_score);
  if (plan.identity[0] != 0 && !write_identity(plan.identity)) child.fail(wire::StartStep::identity);
  if (!become_user(plan)) child.fail(wire::StartStep::user);
  if (plan.identity[0] == 0) die_with(holder);  // a change of user disarms it
  if ((plan.flags & wire::start_allow_ptrace) != 0) ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  if (::chdir(plan.directory) != 0) child.fail(wire::StartStep::directory);
  ::prctl(PR_SET_PDEATHSIG, 0);
  ::setrlimit(RLIMIT_NOFILE, &original.descriptors);  // last: a lower limit than what is open would refuse every open above
  ::execve(plan.argv[0], plan.argv, plan.envp);
  child.fail(wire::StartStep::exec);
}

}  // namespace vmline::holder
