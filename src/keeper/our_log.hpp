// SPDX-License-Identifier: Apache-2.0
// Our own log, never the guest's bytes: sentences with a level, the VM's name and our pid. To journald where we run as a service of
// systemd, otherwise to a file of limited size beside the VM. Writing never waits: what cannot be taken now is counted and left out.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace vmline::keeper {

class Log {
 public:
  enum class Level { info, warning, error };

  virtual ~Log() = default;
  virtual void write(Level level, std::string_view message) = 0;

  void info(std::string_view message) { write(Level::info, message); }
  void warning(std::string_view message) { write(Level::warning, message); }
  void error(std::string_view message) { write(Level::error, message); }
};

/// Runs a job on a thread that may wait for a disk, one job after the other.
using RunOnDisk = std::function<void(std::function<void()>)>;

/// Appends to the file at `path`; one that has grown beyond limits::our_log becomes `path`.1 first, in place of the one before. Every
/// job opens, writes and closes, so that nothing is held between jobs. Lines that wait for the disk are limited to
/// limits::our_log_waiting bytes; what is beyond is left out, and the next line that gets through says how many there were.
std::unique_ptr<Log> make_file_log(std::string vm, std::string path, RunOnDisk run_on_disk);

/// Sends to journald in its native protocol, as fields MESSAGE, PRIORITY, SYSLOG_IDENTIFIER and VMLINE_VM; journald adds the pid itself.
Result<std::unique_ptr<Log>> make_journald_log(std::string vm, const std::string& socket = "/run/systemd/journal/socket");

/// Whether we run as a service of systemd: it sets JOURNAL_STREAM or INVOCATION_ID. Someone who ran `vmline run` by hand looks beside the
/// VM.
bool runs_as_service();

/// journald where we run as a service and its socket takes us, otherwise the file.
std::unique_ptr<Log> make_log(std::string vm, std::string path, RunOnDisk run_on_disk);

/// Leaves everything out, for tests.
std::unique_ptr<Log> make_silent_log();

}  // namespace vmline::keeper
