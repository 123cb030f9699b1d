// SPDX-License-Identifier: Apache-2.0
// Units that stand in types: offsets on a line, times. A duration is a std::chrono type always.
#pragma once
#include <chrono>
#include <cstdint>

namespace vmline {

/// How many bytes the guest has sent on a line before this byte, since the VM was first created. Never resets, never goes back.
using Offset = std::uint64_t;

/// Wall-clock time, nanoseconds since the Unix epoch, UTC.
using Time = std::chrono::sys_time<std::chrono::nanoseconds>;

/// CLOCK_MONOTONIC: the same for all processes until the host restarts, and never set.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

/// A half-open range of offsets: [begin, end).
struct Range {
  Offset begin = 0;
  Offset end = 0;
  [[nodiscard]] Offset length() const { return end - begin; }
  [[nodiscard]] bool empty() const { return end <= begin; }
  friend bool operator==(const Range&, const Range&) = default;
};

}  // namespace vmline
