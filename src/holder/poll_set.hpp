// SPDX-License-Identifier: Apache-2.0
// What one round of the loop waits for: each part adds its descriptors and the moment at which it wants to be woken, and asks afterwards.
#pragma once
#include <poll.h>

#include "base/check.hpp"
#include "holder/clock.hpp"

namespace vmline::holder {

class PollSet {
 public:
  static constexpr int none = -1;

  void clear() {
    count_ = 0;
    wake_at_ = never;
  }
  /// A slot by which to ask for what happened.
  int add(int fd, short events) {
    CHECK(count_ < size);
    slots_[count_] = {fd, events, 0};
    return count_++;
  }
  void wake_at(Moment moment) {
    if (moment < wake_at_) wake_at_ = moment;
  }
  /// Waits. Interrupted or failed: as if nothing happened.
  void wait(Moment now) {
    long long timeout = -1;
    if (wake_at_ != never) timeout = wake_at_ > now ? (wake_at_ - now).count() : 0;
    if (timeout > 1'000'000) timeout = 1'000'000;
    if (::poll(slots_, count_, static_cast<int>(timeout)) < 0) {
      for (int i = 0; i < count_; ++i) slots_[i].revents = 0;
    }
  }
  [[nodiscard]] short happened(int slot) const { return slot == none ? short{0} : slots_[slot].revents; }

 private:
  static constexpr int size = 320;  // signals, keeper, listeners, two per process, two per pump
  pollfd slots_[size] = {};
  int count_ = 0;
  Moment wake_at_ = never;
};

}  // namespace vmline::holder
