// SPDX-License-Identifier: Apache-2.0
// When to ask the keeper whether it is there, and when its silence has lasted too long. Silence is counted in tenths of the limit, each
// of which the holder was awake to see: one that was itself stopped or starved counts one tenth for all that time, not the whole of it.
#pragma once
#include "holder/clock.hpp"

namespace vmline::holder {

class Watchdog {
 public:
  static constexpr int tenths = 10;

  /// 0: never.
  void set_limit(Milliseconds limit) { limit_ = limit; }
  /// A keeper has begun, or has been heard.
  void heard(Moment now) {
    heard_ = now;
    asked_ = false;
    silent_ = 0;
  }
  /// True once, when it is time to ask.
  bool ask(Moment now) {
    if (limit_.count() == 0 || asked_ || now < heard_ + limit_ / 2) return false;
    asked_ = true;
    tick_ = now + tenth();
    return true;
  }
  /// True when it has been silent for too long.
  bool expired(Moment now) {
    if (limit_.count() == 0 || !asked_ || now < tick_) return false;
    tick_ = now + tenth();
    return ++silent_ >= tenths;
  }
  [[nodiscard]] Moment next() const {
    if (limit_.count() == 0) return never;
    return asked_ ? tick_ : heard_ + limit_ / 2;
  }

 private:
  [[nodiscard]] Milliseconds tenth() const { return limit_ / tenths > Milliseconds(1) ? limit_ / tenths : Milliseconds(1); }

  Milliseconds limit_{10'000};
  Moment heard_{0};
  Moment tick_{0};
  bool asked_ = false;
  int silent_ = 0;
};

}  // namespace vmline::holder
