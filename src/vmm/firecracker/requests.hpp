// SPDX-License-Identifier: Apache-2.0
// The VM as the requests that make it, in their order. Pure. Firecracker's own configuration file has a section for each of them, by whose
// names the spec's monitor_config is merged into ours.
#pragma once
#include <string>
#include <vector>

#include "base/error.hpp"
#include "vmm/plan.hpp"

namespace vmline::vmm::firecracker {

/// PUT `body` to `target`.
struct Put {
  std::string target;  ///< "/drives/root"
  std::string body;    ///< JSON
  friend bool operator==(const Put&, const Put&) = default;
};

/// /boot-source is the last: once it is there, all is. An error says which part of monitor_config is no section.
[[nodiscard]] Result<std::vector<Put>> config_requests(const api::Spec& spec, const Endpoints& endpoints);

/// The path of the Unix socket that the vsock of monitor_config is to be bound at; empty: there is none.
[[nodiscard]] Result<std::string> vsock_path(const api::Spec& spec);

}  // namespace vmline::vmm::firecracker
