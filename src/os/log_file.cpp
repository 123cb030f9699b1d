// SPDX-License-Identifier: Apache-2.0
// A line's log as a file; see log_file.hpp.
#include "os/log_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "os/files.hpp"

namespace vmline::os {

namespace {

Result<> check_plain(const struct stat& st, const std::string& path) {
  if (S_ISREG(st.st_mode)) return {};
  std::string_view what = S_ISDIR(st.st_mode)    ? "a folder"
                          : S_ISFIFO(st.st_mode) ? "a FIFO"
                          : S_ISSOCK(st.st_mode) ? "a socket"
                                                 : "a device";
  return fail(fmt::format("log {} is {}: a line's log must be a plain file", path, what));
}

Result<UniqueFd> open_plain(const std::string& path, int flags) {
  struct stat st{};
  if (::stat(path.c_str(), &st) == 0) TRY(check_plain(st, path));
  // Should it have become a FIFO just now, O_NONBLOCK keeps us from waiting for its other end.
  TRY_ASSIGN(UniqueFd file, open_file("log", path, flags | O_NONBLOCK | O_NOCTTY));
  if (::fstat(file.get(), &st) != 0) return fail_errno("look at log " + path);
  TRY(check_plain(st, path));
  if (::fcntl(file.get(), F_SETFL, flags & O_APPEND) != 0) return fail_errno("set flags of log " + path);
  return file;
}

}  // namespace

Result<UniqueFd> open_log(const std::string& path) { return open_plain(path, O_RDWR | O_APPEND | O_CREAT); }

Result<UniqueFd> open_log_to_read(const std::string& path) { return open_plain(path, O_RDONLY); }

Result<std::size_t> read_at(int fd, std::span<std::byte> out, std::uint64_t position, const std::string& what) {
  while (true) {
    ssize_t n = ::pread(fd, out.data(), out.size(), static_cast<off_t>(position));
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) return fail_errno("read " + what);
  }
}

Result<LogFacts> log_facts(int fd, const std::string& path) {
  struct stat st{};
  if (::fstat(fd, &st) != 0) return fail_errno("look at log " + path);
  return LogFacts{st.st_dev, st.st_ino, static_cast<std::uint64_t>(st.st_size), st.st_nlink};
}

}  // namespace vmline::os
