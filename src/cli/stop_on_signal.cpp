// SPDX-License-Identifier: Apache-2.0
// Signals as requests to stop; see stop_on_signal.hpp.
#include "cli/stop_on_signal.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <cerrno>

namespace vmline::cli {

Result<StopOnSignal> StopOnSignal::create() {
  sigset_t asked, before;
  ::sigemptyset(&asked);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&asked, signal);
  UniqueFd signals(::signalfd(-1, &asked, SFD_CLOEXEC));
  UniqueFd over(::eventfd(0, EFD_CLOEXEC));
  if (!signals || !over) return fail_errno("wait for signals");
  ::pthread_sigmask(SIG_BLOCK, &asked, &before);
  return StopOnSignal(std::move(signals), std::move(over), before);
}

StopOnSignal::StopOnSignal(UniqueFd signals, UniqueFd over, sigset_t before)
    : signals_(std::move(signals)), over_(std::move(over)), before_(before) {
  waiter_ = std::thread([signals = signals_.get(), over = over_.get(), stop = stop_]() mutable {
    pollfd polled[2] = {{over, POLLIN, 0}, {signals, POLLIN, 0}};
    while (::poll(polled, 2, -1) < 0 && errno == EINTR) {
    }
    signalfd_siginfo taken;
    if (polled[1].revents == 0 || ::read(signals, &taken, sizeof taken) != sizeof taken) return;
    stop.request_stop();
  });
}

StopOnSignal::~StopOnSignal() {
  if (!waiter_.joinable()) return;  // moved from
  ::eventfd_write(over_.get(), 1);
  waiter_.join();
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace vmline::cli
