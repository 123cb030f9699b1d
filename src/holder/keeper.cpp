// SPDX-License-Identifier: Apache-2.0
// How a keeper begins and ends, and the delays between short lives.
#include "holder/keeper.hpp"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vmline::holder {

void Keeper::become_keeper(int socket, const Locks& locks) const {
  locks.close_in_child();
  reset_signals();
  if (socket == wire::keeper_socket) {
    ::fcntl(socket, F_SETFD, 0);
  } else {
    ::dup2(socket, wire::keeper_socket);
  }
  ::execv(argv_[0], argv_);
  ::dprintf(STDERR_FILENO, "holder[%d]: cannot run %s: %s\n", static_cast<int>(::getppid()), argv_[0], strerrordesc_np(errno));
  ::_exit(127);
}

void Keeper::start(const Locks& locks, Moment now) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    log_.line("socketpair for a keeper: %s", strerrordesc_np(errno));
    return plan(longest_delay, now);
  }
  UniqueFd ours(pair[0]);
  const UniqueFd theirs(pair[1]);
  ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
  UniqueFd pidfd;
  const int pid = fork_with_pidfd(pidfd);
  if (pid == 0) become_keeper(theirs.get(), locks);
  if (pid < 0) {
    log_.line("fork for a keeper: %s", strerrordesc_np(errno));
    return plan(longest_delay, now);
  }
  pid_ = pid;
  status_ = -1;
  pidfd_ = static_cast<UniqueFd&&>(pidfd);
  socket_ = static_cast<UniqueFd&&>(ours);
  there_ = false;
  why_ = "has ended";
  leaving_until_ = never;
  born_ = now;
  ++number_;
  watchdog.heard(now);
}

void Keeper::adopt(UniqueFd socket, Moment now) {
  ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
  socket_ = static_cast<UniqueFd&&>(socket);
  there_ = true;
  born_ = now;
  number_ = 1;
  watchdog.heard(now);
}

void Keeper::identify(int pid, UniqueFd pidfd) {
  pid_ = pid;
  pidfd_ = static_cast<UniqueFd&&>(pidfd);
}

void Keeper::kill(const char* why, Moment now) {
  if (leaving()) return;
  why_ = why;
  leaving_until_ = now + (pidfd_ ? patience : Milliseconds(0));
  if (pidfd_) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

void Keeper::reaped(int pid, int status) {
  if (pid == pid_) status_ = status;
}

void Keeper::plan(Milliseconds delay, Moment now) {
  delay_ = delay;
  start_at_ = now + delay;
}

void Keeper::bury(Moment now) {
  if (there_) absent_since_ = now;
  // Killed from outside is no crash of its own: the next one waits for 10 ms at the most.
  const bool killed = status_ >= 0 && WIFSIGNALED(status_) && WTERMSIG(status_) == SIGKILL;
  Milliseconds delay{0};
  if (now - born_ >= short_life) {
    delay_ = Milliseconds(-1);
  } else if (delay_.count() >= 0) {
    delay = delay_ * 2 < first_delay ? first_delay : delay_ * 2;
    const Milliseconds longest = killed ? first_delay : longest_delay;
    if (delay > longest) delay = longest;
  }
  if (now - born_ < short_life)
    plan(delay, now);
  else
    start_at_ = now;

  char how[64];
  if (status_ >= 0 && WIFSIGNALED(status_)) {
    ::snprintf(how, sizeof(how), "killed by signal %d", WTERMSIG(status_));
  } else if (status_ >= 0) {
    ::snprintf(how, sizeof(how), "exit status %d", WEXITSTATUS(status_));
  } else {
    ::snprintf(how, sizeof(how), "its status is not known");
  }
  log_.line("keeper %d %s (%s); the next one starts in %lld ms", pid_, why_, how, static_cast<long long>(delay.count()));
  socket_.reset();
  pidfd_.reset();
  there_ = false;
  leaving_until_ = never;
}

}  // namespace vmline::holder
