// SPDX-License-Identifier: Apache-2.0
// A wait in poll(2) that a std::stop_token ends; see interruption.hpp.
#include "cli/interruption.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>

namespace vmline::cli {

Interruption::Interruption(std::stop_token token)
    : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), callback_(std::move(token), Signal{event_.get()}) {}

void Interruption::Signal::operator()() const noexcept { ::eventfd_write(fd, 1); }

Interruption::Woken Interruption::wait(std::optional<int> fd, std::chrono::steady_clock::time_point deadline) const {
  while (true) {
    pollfd polled[2] = {{event_.get(), POLLIN, 0}, {fd.value_or(-1), POLLIN, 0}};
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    int count = ::poll(polled, 2, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30)));
    if (count < 0 && errno == EINTR) continue;
    if (polled[0].revents != 0) return Woken::interrupted;
    return count > 0 ? Woken::ready : Woken::timed_out;
  }
}

}  // namespace vmline::cli
