// SPDX-License-Identifier: Apache-2.0
// A VM's spec, vmline.vm/v1: what the user asked for. Plain values; spec_json.hpp reads and writes them as JSON.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.hpp"

namespace vmline::api {

inline constexpr const char* spec_schema = "vmline.vm/v1";

enum class DriverKind { qemu, cloud_hypervisor, exec, none };  ///< none: somebody else runs the monitor (`vmline keep --connect`)
enum class UpstreamKind { carried, dial, listen };
enum class Replay { spool, none };
enum class Overflow { block, drop };
enum class Restart { never, on_failure, always };

struct Disk {
  std::string path;
  std::string format = "raw";
  bool readonly = false;
};

struct LineSpec {
  std::string name = "serial0";
  UpstreamKind upstream = UpstreamKind::carried;
  std::string path{};                               ///< of the socket, for dial and listen
  std::optional<std::string> log{};                 ///< the journal's path; unset: ROOT/vms/NAME/lines/LINE.log
  bool journal = true;                              ///< false: the spool is all there is
  Replay replay = Replay::spool;                    ///< what a raw client gets first
  std::uint64_t spool = limits::spool_default;      ///< bytes kept in the spool
  std::uint64_t backlog = limits::backlog_default;  ///< bytes the spool may grow by while the journal lags
  Overflow overflow = Overflow::block;              ///< what happens when the backlog is used up
  std::chrono::milliseconds stall_limit{5000};      ///< how long `block` holds the guest up
};

struct StopTimes {
  std::chrono::milliseconds guest{10000};   ///< for the guest's own power-off after the power button
  std::chrono::milliseconds monitor{5000};  ///< for the monitor to leave by its API
  std::chrono::milliseconds term{2000};     ///< for SIGTERM to work
};

struct Spec {
  std::string name;
  DriverKind driver = DriverKind::qemu;
  std::string binary;  ///< of the monitor; empty: found by environment and PATH
  std::uint32_t cpus = 1;
  std::uint64_t memory = 512u << 20;  ///< bytes
  std::string kernel, initramfs, firmware;
  std::optional<std::string> cmdline;  ///< unset: console=ttyS0, and with a disk root=/dev/vda1 rw
  std::string acceleration = "auto";   ///< auto, kvm or tcg
  std::vector<Disk> disks;
  std::vector<LineSpec> lines;  ///< never empty once read: serial0 by default
  std::vector<std::string> monitor_args;
  std::vector<std::string> command;  ///< for exec: argv
  std::string directory;             ///< in which monitor and command start; empty: /
  bool pty = false;                  ///< for exec: stdin is a pty, not a FIFO
  Restart restart = Restart::never;
  StopTimes stop;
};

}  // namespace vmline::api
