// SPDX-License-Identifier: Apache-2.0
// Open file description locks. One excludes only where each process opened the file itself: an inherited or passed copy shares it and
// outlives its owner. So a lock's descriptor is an open of one's own, close-on-exec, and never handed on.
#pragma once
#include <chrono>
#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace vmline::os {

/// Tries to take the whole file's write lock on this description; false when somebody else has it.
Result<bool> try_lock(int fd);
/// Gives it back.
void unlock(int fd);

/// A lock file for commands, held until destroyed. The file stays: removing it would let two hold "it" at once.
class CommandLock {
 public:
  /// Waits for the lock, at most `limit`; `timed_out` says that another command is at work on `name`.
  static Result<CommandLock> take(const std::string& path, std::string_view name, std::chrono::milliseconds limit);

 private:
  explicit CommandLock(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;
};

}  // namespace vmline::os
