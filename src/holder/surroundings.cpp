// SPDX-License-Identifier: Apache-2.0
// Signals, descriptors, limits and the session of the process itself.
#include "holder/surroundings.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "holder/oom_score.hpp"

namespace vmline::holder {

namespace {

bool read_original(Original& original) {
  const char* text = ::getenv(original_variable);
  unsigned long long soft = 0;
  unsigned long long hard = 0;
  int changed = 0;
  if (text == nullptr || ::sscanf(text, "%llu %llu %d %d", &soft, &hard, &original.oom_score, &changed) != 4) return false;
  original.descriptors = {soft, hard};
  original.oom_changed = changed != 0;
  return true;
}

void leave_original(const Original& original) {
  char text[96];
  ::snprintf(text, sizeof(text), "%llu %llu %d %d", static_cast<unsigned long long>(original.descriptors.rlim_cur),
             static_cast<unsigned long long>(original.descriptors.rlim_max), original.oom_score, original.oom_changed ? 1 : 0);
  ::setenv(original_variable, text, 1);
}

}  // namespace

void close_descriptors_on_exec() {
  UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (null.get() <= 2) null.reset(::fcntl(null.get(), F_DUPFD_CLOEXEC, 3));
  for (int number = 0; number <= 2; ++number) {
    if (::fcntl(number, F_GETFD) < 0) ::dup2(null.get(), number);
  }
  if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  for (int fd = 3; fd < static_cast<int>(limit.rlim_cur) && fd < 1 << 20; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

Original settle_in(Birth birth) {
  Original original;
  if (birth == Birth::successor && read_original(original)) return original;
  ::getrlimit(RLIMIT_NOFILE, &original.descriptors);
  const rlimit raised{original.descriptors.rlim_max, original.descriptors.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &raised);
  if (read_oom_score(original.oom_score)) {
    const int wanted = original.oom_score - oom_score_less;
    original.oom_changed = write_oom_score(wanted < oom_score_least ? oom_score_least : wanted);
  }
  ::setsid();
  leave_original(original);
  return original;
}

UniqueFd take_signals() {
  // SIGTERM too: whoever wants the VM gone asks the keeper; a holder that ended by itself would only be replaced.
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE, SIGXFSZ, SIGTSTP, SIGTTIN, SIGTTOU}) {
    struct sigaction action{};
    action.sa_handler = SIG_IGN;
    ::sigaction(signal, &action, nullptr);
  }
  struct sigaction action{};
  action.sa_handler = SIG_DFL;  // a launcher may have ignored it, and then there would be no statuses
  ::sigaction(SIGCHLD, &action, nullptr);
  sigset_t children;
  ::sigemptyset(&children);
  ::sigaddset(&children, SIGCHLD);
  ::sigprocmask(SIG_SETMASK, &children, nullptr);
  return UniqueFd(::signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));
}

}  // namespace vmline::holder
