// SPDX-License-Identifier: Apache-2.0
// Tells by inotify that something may have come to be at a path, also when its folder is not there yet.
#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace vmline::os {

/// Device and inode of what is at a path.
using FileId = std::pair<dev_t, ino_t>;
std::optional<FileId> file_at(const std::string& path);

class PathWatch {
 public:
  static Result<PathWatch> create(std::string path);

  /// Readable when something has happened in the folder that is watched.
  [[nodiscard]] int fd() const { return inotify_.get(); }
  /// Reads the events away, and watches the folder itself once it is there. Look at the path after this.
  void settle();

 private:
  PathWatch(std::string path, UniqueFd inotify) : path_(std::move(path)), inotify_(std::move(inotify)) {}
  void watch_nearest();
  std::string path_;
  UniqueFd inotify_;
  std::string watched_;
  int descriptor_ = -1;
};

}  // namespace vmline::os
