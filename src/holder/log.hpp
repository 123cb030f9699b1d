// SPDX-License-Identifier: Apache-2.0
// The holder's own log: one line each on stderr, `holder[PID]: …`, rate-limited. Never blocks: what stderr does not take is dropped and
// counted. Where stderr is a file a child writes the line, since whoever writes to a frozen disk hangs and cannot be killed.
#pragma once
#include "holder/clock.hpp"

namespace vmline::holder {

class Log {
 public:
  static constexpr int burst = 20;  ///< lines at once; then one each `refill`
  static constexpr Milliseconds refill{500};
  static constexpr int writers_max = 4;  ///< children that hang on a frozen disk at a time

  /// Looks at what stderr is.
  Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  [[gnu::format(printf, 2, 3)]] void line(const char* format, ...);
  /// A child of ours has ended: true when it was one that wrote a line.
  bool reaped(int pid);

 private:
  bool allowed();
  void write_by_child(const char* text, int length);

  bool file_ = false;
  int tokens_ = burst;
  Moment refilled_{0};
  unsigned long dropped_ = 0;
  int writers_[writers_max] = {};
};

}  // namespace vmline::holder
