// SPDX-License-Identifier: Apache-2.0
// Spool → raw client; see feed.hpp.
#include "os/feed.hpp"

#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>

namespace vmline::os {
namespace {
constexpr suseconds_t tick = 50'000;  // µs

void set_timer(suseconds_t interval) {
  itimerval timer{};
  timer.it_interval.tv_usec = interval;
  timer.it_value.tv_usec = interval;
  (void)::setitimer(ITIMER_REAL, &timer, nullptr);
}
}  // namespace

Fed feed(int socket, int cursor, std::size_t most) {
  ssize_t n = ::sendfile(socket, cursor, nullptr, most);
  if (n > 0) return {FeedResult::sent, static_cast<std::size_t>(n)};
  if (n == 0 || errno == EAGAIN) return {FeedResult::later, 0};
  if (errno == EINTR) return {FeedResult::stuck, 0};
  return {FeedResult::gone, 0};
}

bool SendGuard::prepare() {
  utsname name{};
  int major = 0, minor = 0;
  if (::uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &major, &minor) != 2) return false;
  if (major > 6 || (major == 6 && minor >= 5)) return false;
  struct sigaction action{};
  action.sa_handler = [](int) {};
  sigemptyset(&action.sa_mask);
  action.sa_flags = 0;  // no SA_RESTART: the point is to interrupt
  return ::sigaction(SIGALRM, &action, nullptr) == 0;
}

SendGuard::SendGuard(bool needed) : needed_(needed) {
  if (needed_) set_timer(tick);
}
SendGuard::~SendGuard() {
  if (needed_) set_timer(0);
}

}  // namespace vmline::os
