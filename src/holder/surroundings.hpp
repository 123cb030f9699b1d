// SPDX-License-Identifier: Apache-2.0
// What the holder makes of the process it is born as: signals, descriptors, limits. What it changes it gives back to those it starts.
#pragma once
#include "base/unique_fd.hpp"
#include "holder/child.hpp"

namespace vmline::holder {

/// Where a holder leaves for its successors what it had found: a successor is started by a keeper and sees only changed values.
inline constexpr char original_variable[] = "VMLINE_HOLDER_ORIGINAL";

enum class Birth { first, successor };

/// Fills 0 to 2 where they are closed, and makes everything above close-on-exec.
void close_descriptors_on_exec();
/// Raises the limit of descriptors, lowers the oom score, leaves the terminal. Returns what was there before.
Original settle_in(Birth birth);
/// Ignores what would end us, and makes the death of a child readable. Empty with errno when that fails.
UniqueFd take_signals();

}  // namespace vmline::holder
