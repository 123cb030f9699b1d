// SPDX-License-Identifier: Apache-2.0
// Who a process is, over restarts of ours: pid, start time and the host's boot id. A pid alone is reused; a process of another start time
// is another process and is never signalled.
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

struct ProcessIdentity {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  ///< field 22 of /proc/PID/stat: clock ticks since the host's boot; exec does not change it
  std::string boot_id;            ///< /proc/sys/kernel/random/boot_id

  /// Of a living process; not_found when there is none.
  static Result<ProcessIdentity> of(pid_t pid);
  /// From the line that a child writes before its exec: "PID START BOOTID\n".
  static Result<ProcessIdentity> parse(std::string_view line);

  [[nodiscard]] std::string line() const;

  /// A pidfd of this very process, or nothing when it has ended (a zombie counts as ended only for waitid).
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
