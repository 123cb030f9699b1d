// SPDX-License-Identifier: Apache-2.0
// A wait in poll(2) that a std::stop_token ends: for the thread that brings a keeper back while the user may leave.
#pragma once
#include <chrono>
#include <optional>
#include <stop_token>

#include "base/unique_fd.hpp"

namespace vmline::cli {

class Interruption {
 public:
  explicit Interruption(std::stop_token token);

  enum class Woken { ready, timed_out, interrupted };
  /// Until `fd` can be read (or has ended), until `deadline`, or until it is interrupted. No descriptor: just waits.
  [[nodiscard]] Woken wait(std::optional<int> fd, std::chrono::steady_clock::time_point deadline) const;

 private:
  struct Signal {
    int fd;
    void operator()() const noexcept;
  };
  UniqueFd event_;
  std::stop_callback<Signal> callback_;
};

}  // namespace vmline::cli
