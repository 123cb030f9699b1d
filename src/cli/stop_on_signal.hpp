// SPDX-License-Identifier: Apache-2.0
// While one of these lives, Ctrl-C, SIGTERM and SIGHUP do not end the program but ask for a stop: for work that must clear away what it
// began.
#pragma once
#include <csignal>
#include <stop_token>
#include <thread>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace vmline::cli {

class StopOnSignal {
 public:
  static Result<StopOnSignal> create();
  StopOnSignal(StopOnSignal&&) = default;
  StopOnSignal& operator=(StopOnSignal&&) = delete;
  ~StopOnSignal();

  /// Asked to stop by the first signal.
  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }

 private:
  StopOnSignal(UniqueFd signals, UniqueFd over, sigset_t before);

  UniqueFd signals_, over_;
  sigset_t before_;  ///< the thread's mask
  std::stop_source stop_;
  std::thread waiter_;
};

}  // namespace vmline::cli
