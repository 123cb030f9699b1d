// SPDX-License-Identifier: Apache-2.0
// The holder's time: milliseconds of CLOCK_MONOTONIC. Taken once per wake-up and handed down as an argument.
#pragma once
#include <time.h>

#include <chrono>

namespace vmline::holder {

using Milliseconds = std::chrono::milliseconds;
/// A moment, since some moment before the holder was born.
using Moment = std::chrono::milliseconds;

inline constexpr Moment never = Moment::max();

inline Moment clock_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return Moment(static_cast<long long>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000);
}

}  // namespace vmline::holder
