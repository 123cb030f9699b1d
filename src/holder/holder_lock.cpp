// SPDX-License-Identifier: Apache-2.0
// An open file description lock on an open of our own; children close it first of all (locks.hpp).
#include "holder/holder_lock.hpp"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>

namespace vmline::holder {

bool HolderLock::open(const char* directory) {
  char path[PATH_MAX];
  if (::snprintf(path, sizeof(path), "%s/holder.lock", directory) >= static_cast<int>(sizeof(path))) {
    errno = ENAMETOOLONG;
    return false;
  }
  file_.reset(::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  return static_cast<bool>(file_);
}

bool HolderLock::take() {
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  taken_ = ::fcntl(file_.get(), F_OFD_SETLK, &whole) == 0;
  return taken_;
}

bool HolderLock::take_soon() {
  const Moment until = clock_now() + moment_of_death;
  while (!take()) {
    if (clock_now() >= until) return false;
    ::poll(nullptr, 0, static_cast<int>(retry.count()));
  }
  return true;
}

}  // namespace vmline::holder
