// SPDX-License-Identifier: Apache-2.0
#include "holder/holder_lock.hpp"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  taken_ = ::fcntl(file_.get(), F_OFD_SETLK, &whole) == 0;
  return taken_;
}

}  // namespace vmline::holder
