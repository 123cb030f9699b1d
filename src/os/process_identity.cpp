// SPDX-License-Identifier: Apache-2.0
// Who a process is; see process_identity.hpp.
#include "os/process_identity.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <charconv>
#include <vector>

#include "os/files.hpp"

namespace vmline::os {
namespace {

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> all;
  while (!text.empty()) {
    std::size_t end = text.find_first_of(" \n");
    if (end == std::string_view::npos) end = text.size();
    if (end > 0) all.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return all;
}

template <class T>
bool number(std::string_view text, T& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

/// "8:1:4711"
bool executable_of(std::string_view text, Executable& executable) {
  const std::size_t first = text.find(':');
  const std::size_t second = first == std::string_view::npos ? first : text.find(':', first + 1);
  if (second == std::string_view::npos) return false;
  return number(text.substr(0, first), executable.major) && number(text.substr(first + 1, second - first - 1), executable.minor) &&
         number(text.substr(second + 1), executable.inode);
}

std::optional<Executable> running_executable(pid_t pid) {
  struct stat status{};
  if (::stat(fmt::format("/proc/{}/exe", pid).c_str(), &status) != 0) return std::nullopt;
  return Executable{.major = major(status.st_dev), .minor = minor(status.st_dev), .inode = status.st_ino};
}

bool same_but_for_executable(const ProcessIdentity& one, const ProcessIdentity& other) {
  return one.pid == other.pid && one.start_ticks == other.start_ticks && one.boot_id == other.boot_id;
}

}  // namespace

std::string host_boot_id() {
  auto id = read_file("/proc/sys/kernel/random/boot_id", 64);
  if (!id) return "unknown";
  while (id->ends_with('\n')) id->pop_back();
  return *id;
}

Result<ProcessIdentity> ProcessIdentity::of(pid_t pid) {
  auto stat = read_file(fmt::format("/proc/{}/stat", pid), 8192);
  if (!stat) return std::unexpected(stat.error().as(ErrorKind::not_found));
  // The name in parentheses may hold anything, spaces and parentheses too: count from the last one.
  std::size_t name_end = stat->rfind(')');
  if (name_end == std::string::npos) return fail(fmt::format("/proc/{}/stat makes no sense", pid));
  auto fields = words(std::string_view(*stat).substr(name_end + 1));
  ProcessIdentity identity{.pid = pid, .start_ticks = 0, .boot_id = host_boot_id()};
  if (fields.size() < 20 || !number(fields[19], identity.start_ticks)) return fail(fmt::format("/proc/{}/stat makes no sense", pid));
  return identity;
}

Result<ProcessIdentity> ProcessIdentity::load(const std::string& path) {
  TRY_ASSIGN(std::string line, read_file(path, 256));
  return parse(line);
}

Result<ProcessIdentity> ProcessIdentity::parse(std::string_view line) {
  auto fields = words(line);
  ProcessIdentity identity;
  Executable executable;
  bool right = (fields.size() == 3 || fields.size() == 4) && number(fields[0], identity.pid) && identity.pid > 0 &&
               number(fields[1], identity.start_ticks) && (fields.size() == 3 || executable_of(fields[3], executable));
  if (right) {
    identity.boot_id = fields[2];
    if (fields.size() == 4) identity.executable = executable;
    // One identity has one line: no other spaces, no zeros in front.
    const std::string only = identity.line();
    right = line == only || line == std::string_view(only).substr(0, only.size() - 1);
  }
  if (!right) return fail("this is no process identity: " + std::string(line.substr(0, 80)));
  return identity;
}

std::string ProcessIdentity::line() const {
  if (!executable) return fmt::format("{} {} {}\n", pid, start_ticks, boot_id);
  return fmt::format("{} {} {} {}:{}:{}\n", pid, start_ticks, boot_id, executable->major, executable->minor, executable->inode);
}

bool ProcessIdentity::learn_executable() {
  auto found = running_executable(pid);
  // Looked at afterwards: had the pid gone to another process before, it would show now.
  auto now = of(pid);
  if (!found || !now || !same_but_for_executable(*now, *this)) return false;
  executable = found;
  return true;
}

std::optional<UniqueFd> ProcessIdentity::open() const {
  if (pid <= 0) return std::nullopt;
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return std::nullopt;
  // The pidfd pins the process: what /proc says of this pid from now on is of the process it names, or of none.
  auto now = of(pid);
  if (!now || !same_but_for_executable(*now, *this)) return std::nullopt;
  if (executable) {
    auto runs = running_executable(pid);
    if (runs && *runs != *executable) return std::nullopt;
  }
  return pidfd;
}

void signal_process(int pidfd, int signal) { (void)::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0); }

bool ends_within(int pidfd, std::chrono::milliseconds limit) {
  pollfd ended{pidfd, POLLIN, 0};
  return ::poll(&ended, 1, static_cast<int>(limit.count())) > 0;
}

Result<UniqueFd> take_descriptor(int pidfd, int number) {
  int fd = static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd, number, 0));
  if (fd < 0) return fail_errno("pidfd_getfd");
  return UniqueFd(fd);  // close-on-exec by the system call's own promise
}

}  // namespace vmline::os
