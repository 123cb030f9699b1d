// SPDX-License-Identifier: Apache-2.0
// The shared directories of a VM: one virtiofsd for each, which gets its listening socket as a descriptor, so that nobody waits for it and
// the monitor may connect before it runs. Pure.
#pragma once
#include <string>
#include <vector>

#include "base/error.hpp"
#include "vmm/driver.hpp"

namespace vmline::vmm {

inline constexpr unsigned share_queue_size = 512;  ///< of the one queue that each share has

struct ShareDevice {
  std::string tag;
  std::string process;  ///< its virtiofsd's name, and its socket's: "fs-TAG", or "fs.N" where the tag is not fit for a file's name
  std::string socket;   ///< RUN/NAME/fs-N.sock
};
/// In the order of the spec.
[[nodiscard]] std::vector<ShareDevice> share_devices(const api::Spec& spec, const Endpoints& endpoints);

/// Adds listeners, sidecars and warnings to a plan that has no monitor yet. An error where two shares or a line would be in each other's
/// way.
[[nodiscard]] Result<> plan_shares(Plan& plan, const api::Spec& spec, const Endpoints& endpoints, const Host& host);

}  // namespace vmline::vmm
