// SPDX-License-Identifier: Apache-2.0
// The open files by which the holder has locks. A lock lives as long as any copy of its description does, and a fork makes one: so every
// child closes these before it does anything that could take long.
#pragma once
#include <unistd.h>

#include "wire/holder/messages.hpp"

namespace vmline::holder {

namespace wire = vmline::wire::holder;

struct Locks {
  int holder = -1;
  int pumps[wire::pumps_max];

  Locks() {
    for (int& fd : pumps) fd = -1;
  }
  void close_in_child() const {
    if (holder >= 0) ::close(holder);
    for (const int fd : pumps) {
      if (fd >= 0) ::close(fd);
    }
  }
};

}  // namespace vmline::holder
