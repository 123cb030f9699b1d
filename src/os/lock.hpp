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

/// A lock file for commands, held until destroyed. The file stays until its holder removes it: who waited for it then takes a new one.
class CommandLock {
 public:
  /// Waits for the lock, at most `limit`; `timed_out` says that another command is at work on `name`.
  static Result<CommandLock> take(const std::string& path, std::string_view name, std::chrono::milliseconds limit);

  /// Removes the file: what it was for is gone.
  void remove() const;

 private:
  CommandLock(UniqueFd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  UniqueFd file_;
  std::string path_;
};

}  // namespace vmline::os
