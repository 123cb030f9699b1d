// SPDX-License-Identifier: Apache-2.0
// What a child does between its birth and its exec: nothing of the holder's stays with it but what its start record names.
#pragma once
#include <sys/resource.h>

#include "base/unique_fd.hpp"
#include "holder/held_table.hpp"
#include "holder/start_record.hpp"

namespace vmline::holder {

/// What the holder changed about itself and gives back to whomever it starts.
struct Original {
  rlimit descriptors{};
  int oom_score = 0;
  bool oom_changed = false;
};

/// What a child that could not become its program writes into the pipe; nothing when it could.
struct ChildFailure {
  wire::StartStep step;
  std::int32_t action;
  std::int32_t number;  ///< errno
};

/// A copy of the process as fork makes it, and its pidfd, in one call that makes both or neither. 0 in the child, -1 with errno.
int fork_with_pidfd(UniqueFd& pidfd);

/// Every signal at its default, none blocked: what is ignored would stay ignored over exec.
void reset_signals();

/// Becomes the program, or tells `failure_pipe` why not. `holder` is the parent's pid: without it this is a child of nobody's.
[[noreturn]] void become(const StartPlan& plan, const HeldTable& held, const Original& original, int failure_pipe, int holder);

}  // namespace vmline::holder
