// SPDX-License-Identifier: Apache-2.0
// TAPs that a monitor opens by name: made persistent, put on a bridge, brought up and removed again, in a network namespace or in ours.
// A monitor opens one that has no second queue; whether it has IFF_VNET_HDR is all one to them (Cloud Hypervisor 46.0 to 53.0,
// Firecracker and QEMU, tried). All of it may wait for the kernel's lock on network devices, some milliseconds as a rule.
#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "os/netlink.hpp"

namespace vmline::os {

struct Tap {
  std::string name;
  std::string alias;    ///< tap_alias() of the VM that it was made for, where we made it
  bool opened = false;  ///< a monitor, or somebody else, has it open
};

struct TapRequest {
  std::string name;
  std::string netns{};                       ///< a path; empty: ours
  std::string bridge{};                      ///< one that is there, in that namespace; empty: none
  std::string alias{};                       ///< tap_alias(): by this it is recognised as ours
  std::optional<uid_t> owner{};              ///< who may open it; with neither this nor a group it is our effective user, never anybody
  std::optional<gid_t> group{};              ///< whose members alone may open it
  std::optional<HardwareAddress> address{};  ///< of the host's end; else the kernel's choice
};

/// What is written beside the TAPs of a VM: "vmline:ROOT/NAME", the last of it where that is longer than the kernel's 255 bytes.
std::string tap_alias(std::string_view root, std::string_view vm);

/// Refuses what cannot be the name of a network device, or would be a pattern to the kernel.
Result<> check_tap_name(std::string_view name);

/// Whether there is a TAP of this name. A device of another kind that has the name is an error.
Result<bool> tap_exists(const std::string& name, const std::string& netns);

/// Makes it, or leaves nothing: it becomes persistent with the last step. `conflict` when the name is taken.
Result<> make_tap(const TapRequest& request);

/// Removes the TAP of this name, whether a process still has it open or not; an absent one is fine. With an `alias`, a TAP of another
/// alias is somebody else's and is left alone. A device of another kind is an error and stays.
Result<> remove_tap(const std::string& name, const std::string& netns, std::string_view alias = {});

/// Every TAP in that namespace, ours and others'.
Result<std::vector<Tap>> list_taps(const std::string& netns);

}  // namespace vmline::os
