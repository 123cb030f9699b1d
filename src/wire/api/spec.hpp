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

enum class DriverKind { qemu, cloud_hypervisor, firecracker, exec, none };  ///< none: somebody else runs it (`vmline keep --connect`)
enum class UpstreamKind { carried, dial, listen };
enum class Replay { spool, none };
enum class Overflow { block, drop };
enum class Restart { never, on_failure, always };

struct Disk {
  std::string path;
  std::string format = "raw";  ///< raw or qcow2: what the user says, never what its first bytes look like
  bool readonly = false;
};

/// A virtio network device on a TAP, in the VM's network namespace.
struct Network {
  std::string tap;           ///< the TAP's name, at most 15 bytes; empty: vmline chooses one
  std::string mac;           ///< empty: made from the VM's name and the network's index
  std::string bridge;        ///< to put the TAP on, where it is ours
  std::optional<bool> ours;  ///< we make the TAP and remove it; unset: where none of that name is there at the start
};

/// A host directory in the guest, by virtio-fs.
struct Share {
  std::string tag;   ///< what the guest mounts: at most 36 bytes
  std::string path;  ///< a directory of the host
  bool readonly = false;
};

/// From which vmline makes a seed ISO (NoCloud): the texts of its files. Empty ones are left out, but for meta-data, which is made.
struct CloudInit {
  std::string user_data, meta_data, network_config;
};

/// What tells on a line that the guest is ready; matched as bytes pass.
struct ReadyRule {
  std::string marker = "VMRS_READY ";  ///< then an IP address up to white space; empty: none is waited for
};

/// Something else to be told of when the guest says it, once per line of text.
struct MatchRule {
  std::string name;     ///< of the event
  std::string literal;  ///< one of the two
  std::string regex;    ///< RE2
};

struct LineSpec {
  std::string name = "serial0";
  UpstreamKind upstream = UpstreamKind::carried;
  std::string path{};                               ///< of the socket, for dial and listen
  std::optional<std::string> log{};                 ///< the journal's path; unset: ROOT/vms/NAME/lines/LINE.log
  bool journal = true;                              ///< false: the spool is all there is
  bool input = true;                                ///< false: nobody types on it
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
  std::optional<std::string> cmdline;  ///< unset: console=ttyS0, and with a root disk root=/dev/vda1 rw ds=nocloud
  std::string acceleration = "auto";   ///< auto, kvm or tcg
  std::string machine = "q35";         ///< of QEMU: q35 or microvm
  std::string machine_id;              ///< a UUID in lower case, given to the guest as its SMBIOS UUID; made at the first start
  // On the bus in this order: the root disk, the seed, data disks.
  std::optional<Disk> root_disk;
  std::string seed;                     ///< an ISO, read-only
  std::optional<CloudInit> cloud_init;  ///< instead of a seed
  std::vector<Disk> disks;
  std::vector<Network> networks;
  std::vector<Share> shares;
  std::string netns;                        ///< a network namespace: a path, or a name under /run/netns; empty: the host's
  std::string cgroup;                       ///< a cgroup v2 folder for monitor and sidecars; empty: ours
  std::optional<std::uint32_t> uid, gid;    ///< of monitor and sidecars
  std::string virtiofsd;                    ///< its program; empty: found
  std::vector<std::string> virtiofsd_args;  ///< handed on to it as they are, last
  std::string monitor_config;               ///< a JSON object, merged into the body of vm.create or into Firecracker's calls; empty: none
  ReadyRule ready;
  std::vector<MatchRule> matches;
  std::vector<LineSpec> lines;  ///< never empty once read: serial0 by default
  std::vector<std::string> monitor_args;
  std::vector<std::string> command;  ///< for exec: argv
  std::string directory;             ///< in which monitor and command start; empty: /
  bool pty = false;                  ///< for exec: stdin is a pty, not a FIFO
  Restart restart = Restart::never;
  StopTimes stop;
};

}  // namespace vmline::api
