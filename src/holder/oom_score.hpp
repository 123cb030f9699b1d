// SPDX-License-Identifier: Apache-2.0
// Whom the kernel kills first when memory runs out: rather the monitor than the holder, which is small and holds everything.
#pragma once

namespace vmline::holder {

inline constexpr int oom_score_less = 500;    ///< by how much the holder's and keeper's score is lower than what they were born with
inline constexpr int oom_score_least = -999;  ///< -1000 would mean: never

/// This process's oom_score_adj; false when it cannot be read.
bool read_oom_score(int& score);
/// False where we may not (lowering takes CAP_SYS_RESOURCE; raising is always allowed).
bool write_oom_score(int score);

}  // namespace vmline::holder
