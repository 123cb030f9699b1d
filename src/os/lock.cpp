// SPDX-License-Identifier: Apache-2.0
// Open file description locks; see lock.hpp.
#include "os/lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "os/files.hpp"

namespace vmline::os {

Result<bool> try_lock(int fd) {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  return fail_errno("lock");
}

void unlock(int fd) {
  struct flock lock{};
  lock.l_type = F_UNLCK;
  lock.l_whence = SEEK_SET;
  (void)::fcntl(fd, F_OFD_SETLK, &lock);
}

namespace {
bool is_at(int fd, const std::string& path) {
  struct stat ours{}, there{};
  return ::fstat(fd, &ours) == 0 && ::stat(path.c_str(), &there) == 0 && ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}
}  // namespace

void CommandLock::remove() const { (void)::unlink(path_.c_str()); }

Result<CommandLock> CommandLock::take(const std::string& path, std::string_view name, std::chrono::milliseconds limit) {
  auto deadline = std::chrono::steady_clock::now() + limit;
  while (true) {
    TRY_ASSIGN(UniqueFd file, open_file("lock", path, O_RDWR | O_CREAT | O_NOFOLLOW));
    auto taken = try_lock(file.get());
    if (!taken) return std::unexpected(taken.error().because(path));
    if (*taken && is_at(file.get(), path)) return CommandLock(std::move(file), path);
    if (*taken) continue;  // whoever had it has removed the file with the VM
    // A blocking F_OFD_SETLKW has no time limit of its own, and an alarm for it would be a signal handler in a library: this waits
    // behind another command only, for which 5 ms are nothing.
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(fmt::format("another vmline command is at work on {} (waited {} s)", name, limit.count() / 1000), ErrorKind::timed_out);
    }
    ::poll(nullptr, 0, 5);
  }
}

}  // namespace vmline::os
