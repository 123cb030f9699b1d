// SPDX-License-Identifier: Apache-2.0
// Small files read and written whole; see files.hpp.
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace vmline::os {

Result<UniqueFd> open_file(std::string_view purpose, const std::string& path, int flags, mode_t mode) {
  int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return fail_errno(fmt::format("open {} {}", purpose, path));
  return UniqueFd(fd);
}

Result<std::string> read_file(const std::string& path, std::size_t most) {
  TRY_ASSIGN(UniqueFd file, open_file("file", path, O_RDONLY | O_NOCTTY));
  struct stat st{};
  if (::fstat(file.get(), &st) == 0 && S_ISDIR(st.st_mode)) return std::unexpected(Error::system("read " + path, EISDIR));
  std::string content;
  char buffer[16384];
  while (true) {
    ssize_t n = ::read(file.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read " + path);
    if (n == 0) return content;
    content.append(buffer, static_cast<std::size_t>(n));
    if (content.size() > most) return fail(fmt::format("{} is longer than {} bytes", path, most));
  }
}

Result<> write_all(int fd, std::string_view content, std::string_view what) {
  while (!content.empty()) {
    ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(fmt::format("write {}", what));
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<> write_file(const std::string& path, std::string_view content, mode_t mode) {
  std::string temporary = path + ".new";
  {
    TRY_ASSIGN(UniqueFd file, open_file("file", temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
    TRY(write_all(file.get(), content, temporary));
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail_errno("rename " + temporary + " to " + path);
  return {};
}

Result<> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("remove " + path);
  return {};
}

Result<> remove_tree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return fail("remove " + path + ": " + error.message());
  return {};
}

}  // namespace vmline::os
