// SPDX-License-Identifier: Apache-2.0
// What a keeper must know of its VM besides what the kernel counts: on the tmpfs beside the spools, replaced by rename at each change, so
// that the next keeper goes on from it, whatever has been killed and whatever disk is frozen.
#pragma once
#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "line/index_format.hpp"
#include "os/process_identity.hpp"

namespace vmline::keeper {

/// A TAP of ours: to be removed when the VM has ended.
struct OwnTap {
  std::string name, netns;
};

/// That the guest said it is ready, on which line and where.
struct Readiness {
  std::string line;
  Offset offset = 0;  ///< of the marker
  std::uint64_t boot = 0;
  std::string address;
  Time time;
};

struct RuntimeState {
  std::string state = "starting";  ///< starting running ready paused stopping stopped failed
  std::string reason;
  Time since;
  std::string wanted = "running";  ///< or stopped: a stop that was begun is gone on with
  std::string stop_reason;         ///< why it is wanted stopped
  std::uint64_t boot = 0;          ///< the newest boot's number
  std::string again_cause;         ///< of the boot that begins when the monitor is run again, where it is known
  bool boot_begun = false;         ///< the first boot of the monitor that is being started has its number already
  std::optional<os::ProcessIdentity> monitor;
  std::optional<SteadyTime> monitor_started;
  std::string binary;
  std::string virtiofsd;  ///< its program, where there are shares
  std::vector<OwnTap> taps;
  std::optional<int> exit_status;     ///< of the last monitor, or
  std::optional<int> signal;          ///< that ended it
  std::uint64_t control_handled = 0;  ///< up to here the monitor's control stream has been handled
  std::uint64_t keepers = 0, holders = 0;
  std::uint64_t restarts = 0;                    ///< of the monitor, by policy
  std::map<std::string, line::Boot> last_boots;  ///< by line
  std::set<std::string> connected;               ///< lines whose monitor is at the other end of a socket now
  std::optional<Readiness> ready;                ///< of the newest boot
  std::map<std::string, Offset> heard;           ///< by line: what the guest says has been looked at up to here, and told
  std::map<std::string, Offset> old_until;       ///< by line, while the guest reboots: up to here it is the old boot's

  static std::string path(const std::string& memory_dir) { return memory_dir + "/state.json"; }
  /// not_found when there is none.
  static Result<RuntimeState> load(const std::string& memory_dir);
  Result<> save(const std::string& memory_dir) const;
};

}  // namespace vmline::keeper
