// SPDX-License-Identifier: Apache-2.0
// Named pipes; see fifo.hpp.
#include "os/fifo.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "os/files.hpp"

namespace vmline::os {

Result<UniqueFd> open_fifo(const std::string& path) {
  // Opened first, and only made where it is missing: on a frozen file system an open of what is there returns, and mkfifo hangs.
  auto there = open_file("FIFO", path, O_RDWR | O_NONBLOCK | O_NOFOLLOW);
  if (!there && there.error().number() == ENOENT) {
    if (::mkfifo(path.c_str(), 0600) != 0 && errno != EEXIST) return fail_errno("make FIFO " + path);
    there = open_file("FIFO", path, O_RDWR | O_NONBLOCK | O_NOFOLLOW);
  }
  TRY_ASSIGN(UniqueFd fifo, std::move(there));
  struct stat st{};
  if (::fstat(fifo.get(), &st) != 0) return fail_errno("look at " + path);
  if (!S_ISFIFO(st.st_mode)) return fail(path + " is there and no FIFO: remove it");
  return fifo;
}

std::size_t grow_pipe(int fd, std::size_t bytes) {
  int has = ::fcntl(fd, F_GETPIPE_SZ);
  // An ordinary user has 64 MiB of pipe buffers in all, after which every pipe of theirs is born with 8 KiB: leave the default there.
  if (::geteuid() == 0 && has >= 0 && static_cast<std::size_t>(has) < bytes) {
    int grown = ::fcntl(fd, F_SETPIPE_SZ, static_cast<int>(bytes));
    if (grown > 0) has = grown;
  }
  return has < 0 ? 0 : static_cast<std::size_t>(has);
}

}  // namespace vmline::os
