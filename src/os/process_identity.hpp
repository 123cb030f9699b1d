// SPDX-License-Identifier: Apache-2.0
// Who a process is, over restarts of ours: pid, start time, the host's boot id, and which file it runs, once that is known. A pid alone is
// reused, and within one clock tick a start time is too; a process that differs in any of it is another one and is never signalled.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace vmline::os {

/// The file that a process runs. Its path tells nothing: an upgrade makes it "(deleted)" and puts another file there. The running process
/// itself keeps the inode from being used again.
struct Executable {
  unsigned major = 0;  ///< of the device
  unsigned minor = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const Executable&, const Executable&) = default;
};

struct ProcessIdentity {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  ///< field 22 of /proc/PID/stat: clock ticks since the host's boot; exec does not change it
  std::string boot_id;            ///< /proc/sys/kernel/random/boot_id
  /// Unset: not known, and not compared. A child writes its identity before its exec, and a wrapper execs once more: see learn_executable.
  std::optional<Executable> executable{};

  /// Of a living process, without its executable; not_found when there is none.
  static Result<ProcessIdentity> of(pid_t pid);
  /// From its line, which is this and nothing else: "PID START BOOTID", as a child writes it before its exec, or
  /// "PID START BOOTID MAJOR:MINOR:INODE", and a newline or none.
  static Result<ProcessIdentity> parse(std::string_view line);
  /// From the file that a child has written.
  static Result<ProcessIdentity> load(const std::string& path);

  [[nodiscard]] std::string line() const;

  /// Takes what the process runs now for its executable for good. To be called when it has shown that it is the program that was meant,
  /// by its first answer. False, and nothing is changed, when it has ended or may not be looked at.
  bool learn_executable();

  /// A pidfd of this very process, or nothing when it has ended (a zombie counts as ended only for waitid). An executable that cannot be
  /// looked at, as a zombie's, refuses nothing: to take a living monitor for dead would start a second one on its disks.
  [[nodiscard]] std::optional<UniqueFd> open() const;

  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

/// The host's boot id.
std::string host_boot_id();

/// kill(2) by pidfd; a process that is gone already is fine.
void signal_process(int pidfd, int signal);

/// Whether the process has ended, or does within `limit`, which is waited for: one with a SIGKILL on its way needs a moment.
bool ends_within(int pidfd, std::chrono::milliseconds limit);

/// Another process's descriptor, by pidfd_getfd(2).
Result<UniqueFd> take_descriptor(int pidfd, int number);

}  // namespace vmline::os
