// SPDX-License-Identifier: Apache-2.0
// See disk_file.hpp.
#include "vmm/disk_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/unique_fd.hpp"

namespace vmline::vmm {
namespace {

/// Why this kind of file is no disk; empty: it is one.
std::string_view not_a_disk(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFBLK: return "";
    case S_IFDIR: return "a folder";
    case S_IFCHR: return "a character device";
    case S_IFIFO: return "a FIFO";
    default: return "a socket";
  }
}

}  // namespace

Result<> check_disk_file(std::string_view what, const api::Disk& disk) {
  const std::string named = fmt::format("{} {}", what, disk.path);
  struct stat st{};
  if (::stat(disk.path.c_str(), &st) != 0) return fail_errno(named);
  if (std::string_view kind = not_a_disk(st.st_mode); !kind.empty()) {
    return fail(fmt::format("{} is {}: a disk is a file or a block device", named, kind), ErrorKind::usage);
  }
  // Not opened for writing: the close of a block device that was would set udev to work.
  if (!disk.readonly && ::access(disk.path.c_str(), W_OK) != 0) return fail_errno(named);
  UniqueFd file(::open(disk.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return fail_errno(named);
  char head[4];
  const ssize_t size = ::pread(file.get(), head, sizeof head, 0);
  if (size < 0) return fail_errno("read " + named);
  const bool qcow2 = std::string_view(head, static_cast<std::size_t>(size)) == "QFI\xfb";
  if (disk.format == "raw" && qcow2) {
    return fail(fmt::format("{} has a qcow2 header, and the spec says raw: say qcow2 (--disk PATH,format=qcow2)", named), ErrorKind::usage);
  }
  if (disk.format == "qcow2" && !qcow2) {
    return fail(fmt::format("{} has no qcow2 header, and the spec says qcow2", named), ErrorKind::usage);
  }
  return {};
}

}  // namespace vmline::vmm
