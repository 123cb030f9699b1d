// SPDX-License-Identifier: Apache-2.0
// Who a child is, out of /proc, into a file beside the line's other files.
#include "holder/identity.hpp"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/unique_fd.hpp"

namespace vmline::holder {

namespace {

bool read_text(const char* path, char* text, int size) {
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return false;
  const ssize_t length = ::read(file.get(), text, size - 1);
  if (length <= 0) return false;
  text[length] = 0;
  return true;
}

/// Field 22 of /proc/self/stat, in clock ticks since the host's boot. The second field is the program's name and can hold anything.
unsigned long long start_time(const char* stat) {
  const char* at = ::strrchr(stat, ')');
  for (int field = 2; at != nullptr && field < 22; ++field) at = ::strchr(at + 1, ' ');
  return at == nullptr ? 0 : ::strtoull(at + 1, nullptr, 10);
}

}  // namespace

bool write_identity(const char* path) {
  char stat[1024];
  char boot[64];
  if (!read_text("/proc/self/stat", stat, sizeof(stat)) || !read_text("/proc/sys/kernel/random/boot_id", boot, sizeof(boot))) return false;
  boot[::strcspn(boot, "\n")] = 0;
  char line[128];
  const int length = ::snprintf(line, sizeof(line), "%d %llu %s\n", static_cast<int>(::getpid()), start_time(stat), boot);
  char temporary[PATH_MAX];
  const int wanted = ::snprintf(temporary, sizeof(temporary), "%s.new", path);
  if (wanted >= static_cast<int>(sizeof(temporary))) {
    errno = ENAMETOOLONG;
    return false;
  }
  const UniqueFd file(::open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file || ::write(file.get(), line, length) != length) return false;
  return ::rename(temporary, path) == 0;
}

}  // namespace vmline::holder
