// SPDX-License-Identifier: Apache-2.0
// The time of day, as events, boots and states are told with it. What is decided by time is decided by std::chrono::steady_clock.
#pragma once
#include <chrono>

#include "base/units.hpp"

namespace vmline::keeper {

inline Time wall_clock() { return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now()); }

}  // namespace vmline::keeper
