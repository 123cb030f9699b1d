// SPDX-License-Identifier: Apache-2.0
// What a driver decides before anything is started: values only, so that tests pin every argument. The keeper carries it out: makes what
// is to be made, has the holder start the processes, pumps the lines.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "wire/api/spec.hpp"

namespace vmline::vmm {

// Where the files of one VM lie, all in RUN/NAME but the log. Made by endpoints_of().
struct LineEndpoint {
  std::string name;
  api::UpstreamKind upstream = api::UpstreamKind::carried;
  std::string output_fifo{};  ///< RUN/NAME/LINE.out
  std::string input_fifo{};   ///< RUN/NAME/LINE.in
  std::string socket_path{};  ///< for dial and listen: the spec's path, else RUN/NAME/LINE.upstream
};
struct Endpoints {
  std::string run_dir;
  std::vector<LineEndpoint> lines;  ///< in the order of the spec
  std::string api_socket;           ///< RUN/NAME/api.sock: Cloud Hypervisor's, for ch-remote too
  std::string control_out;          ///< RUN/NAME/events.out (Cloud Hypervisor), qmp.out (QEMU): a FIFO the monitor writes to
  std::string control_in;           ///< RUN/NAME/qmp.in: a FIFO the monitor reads from
  std::string monitor_log;          ///< ROOT/vms/NAME/monitor.log
  std::string seed;  ///< ROOT/vms/NAME/seed.iso (RUN/NAME/seed.iso for another user): made from cloud_init where the spec has it, else the
                     ///< spec's own seed
};
[[nodiscard]] Endpoints endpoints_of(const api::Spec& spec, const std::string& run_dir, const std::string& monitor_log);

/// A FIFO to make. One that is `anew` is removed and made again before each start of the monitor: what was asked of the last monitor, or
/// answered by it, must not reach the next. The others are made where missing and kept.
struct Fifo {
  std::string path;
  bool anew = false;
  friend bool operator==(const Fifo&, const Fifo&) = default;
};

/// A listening Unix socket to bind at `path` and to hold as `held`; it is handed to the monitor. Always bound anew (the old path removed)
/// before a start of the monitor: requests that wait in the old one's queue would be obeyed by the new monitor. Non-blocking, but for one
/// that is `kept`: virtiofsd accepts in a loop and burns a CPU on a non-blocking one until somebody connects.
struct Listener {
  std::string held;
  std::string path;
  bool kept = false;  ///< a sidecar's: it is held for as long as the VM lives, for the sidecar that follows one that has ended
  friend bool operator==(const Listener&, const Listener&) = default;
};

/// A pty to make (where it is not held already), its master held as `held`. The monitor inherits the master too, as descriptor
/// `inherited`, and knows nothing of it: from there pidfd_getfd takes it back when everything of ours has died.
struct Terminal {
  std::string line;
  std::string held;
  int inherited = -1;
  bool by_lines = false;  ///< not raw: Return is a newline, and lines can be edited, as in any terminal
  friend bool operator==(const Terminal&, const Terminal&) = default;
};

/// How what is typed on a line reaches the monitor.
enum class Typing { fifo, terminal, socket, none };

struct LinePlan {
  std::string name;
  api::UpstreamKind upstream = api::UpstreamKind::carried;
  std::string output_fifo{};  ///< carried: the pump's source
  Typing typing = Typing::fifo;
  std::string input_fifo{};    ///< for Typing::fifo
  std::string no_typing{};     ///< for Typing::none: why
  std::string socket_path{};   ///< dial: to connect to, between Monitor::create and start; listen: to be listening on before the start
  bool monitor_binds = false;  ///< dial: the monitor binds socket_path, so a stale one is removed before the start
  friend bool operator==(const LinePlan&, const LinePlan&) = default;
};

/// One descriptor of a process to start, in the terms of the holder's start record. All that is not named here is closed.
struct DescriptorAction {
  enum class Source { path, held, pty_slave, null };
  Source source = Source::null;
  int target = 0;
  std::string text{};  ///< the path; the name of what is held; the name under which the pty's master is held
  int flags = 0;       ///< open flags, for path
  friend bool operator==(const DescriptorAction&, const DescriptorAction&) = default;
};

struct Process {
  std::string name;                 ///< "monitor", "fs-TAG"
  std::vector<std::string> argv{};  ///< argv[0] is a path
  std::vector<std::string> environment{};
  std::string directory{};
  std::vector<DescriptorAction> descriptors{};
  bool allow_ptrace = false;  ///< a Terminal is inherited: Yama 1 must let a later keeper take it back
  bool sidecar = false;       ///< started before the monitor, started again at once when it ends while the monitor lives, ended with it
  std::string netns{};        ///< the path of a network namespace to enter; empty: none
  std::string cgroup{};       ///< a cgroup v2 folder to move into; empty: none
  std::optional<std::uint32_t> uid{}, gid{};
};

/// A TAP that the monitor opens by its name. Made before the start where it is ours, removed when the VM has ended.
struct Tap {
  std::string name;
  std::string bridge{};      ///< empty: none
  std::string netns{};       ///< the path of the namespace it lies in; empty: ours
  std::optional<bool> ours;  ///< as the spec says
  friend bool operator==(const Tap&, const Tap&) = default;
};

struct Plan {
  std::vector<Fifo> fifos;
  std::vector<Listener> listeners;
  std::vector<Terminal> terminals;
  std::vector<std::string> bound_by_monitor;  ///< sockets it binds itself: what is left of them goes before each start, and in the end
  std::vector<Tap> taps;
  std::vector<LinePlan> lines;        ///< in the order of the spec
  std::vector<Process> processes;     ///< to start in this order; empty when somebody else runs the monitor
  std::string control_out;            ///< the FIFO to give to Monitor::feed; empty: none
  std::string control_in;             ///< the FIFO that the Monitor writes to; empty: none
  std::string acceleration;           ///< "kvm", "tcg" or empty: what was decided
  std::vector<std::string> warnings;  ///< for the user
  bool end_is_reboot = false;         ///< a guest that reboots ends the monitor with exit status 0 (Firecracker): it is run again
};

/// One step of a stop: when it has been taken and the monitor has not ended within `limit`, the next one is.
struct StopStep {
  enum class Action { power_button, quit, terminate, kill };
  std::string name;  ///< "power-button", "vmm.shutdown", "quit", "SIGTERM", "SIGKILL"
  Action action = Action::kill;
  std::chrono::milliseconds limit{};
  friend bool operator==(const StopStep&, const StopStep&) = default;
};

}  // namespace vmline::vmm
