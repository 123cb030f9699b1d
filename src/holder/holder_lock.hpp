// SPDX-License-Identifier: Apache-2.0
// DIR/holder.lock: there is one holder per VM, and it has this lock for life.
#pragma once
#include "base/unique_fd.hpp"
#include "holder/clock.hpp"
#include "holder/poll_set.hpp"

namespace vmline::holder {

class HolderLock {
 public:
  static constexpr Milliseconds retry{5};
  static constexpr Milliseconds patience{10'000};  ///< a holder that is being killed can hang in the kernel for a while

  static constexpr Milliseconds moment_of_death{100};

  /// Opens the file; false with errno.
  bool open(const char* directory);
  /// Takes the lock if nobody has it.
  bool take();
  /// The same, but for `moment_of_death` what is left of a killed holder may have it: its end, or a child that it had just forked.
  bool take_soon();
  [[nodiscard]] bool taken() const { return taken_; }
  [[nodiscard]] int fd() const { return file_.get(); }

  /// Goes on trying while the loop runs, until `patience` is over.
  void wait_from(Moment now) { until_ = now + patience; }
  void prepare(PollSet& set, Moment now) const {
    if (!taken_) set.wake_at(now + retry);
  }
  /// False when it has waited for too long.
  bool serve(Moment now) { return taken_ || take() || now < until_; }

 private:
  UniqueFd file_;
  bool taken_ = false;
  Moment until_ = never;
};

}  // namespace vmline::holder
