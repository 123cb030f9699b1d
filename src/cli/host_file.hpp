// SPDX-License-Identifier: Apache-2.0
// The host's file of defaults and limits (vmline.host/v1): where it lies, and what it means for a VM that is to run.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "os/places.hpp"
#include "wire/api/host_json.hpp"

namespace vmline::cli {

struct HostSettings {
  std::string path;  ///< where it was looked for
  api::HostFile file;

  [[nodiscard]] std::string folder() const;
};

/// $VMLINE_CONFIG, which must be there then; else /etc/vmline/vmline.json for root and $XDG_CONFIG_HOME/vmline/vmline.json for others,
/// which may be absent.
Result<HostSettings> load_host_settings();

/// A spec beyond the host's limits is refused, naming limit and file; so is one VM more than may run at a time.
Result<> check_host_limits(const HostSettings& host, const os::Places& places, const api::Spec& spec);

}  // namespace vmline::cli
