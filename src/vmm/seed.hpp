// SPDX-License-Identifier: Apache-2.0
// The seed that cloud-init reads at a guest's first boot (NoCloud): an ISO 9660 image named CIDATA with the files user-data, meta-data,
// network-config.
#pragma once
#include <string>

#include "base/error.hpp"
#include "wire/api/spec.hpp"

namespace vmline::vmm {

/// The image. The same input makes the same bytes: nothing in it is of today. User-data is always there (cloud-init wants it),
/// network-config where it is not empty; meta-data, where none is given, names the machine id (the VM's name where there is none) and the
/// host.
[[nodiscard]] std::string seed_image(const api::CloudInit& texts, const std::string& machine_id, const std::string& name);

/// Writes it, mode 0600 as it may hold secrets, under another name first: a reader finds the old one or the new one.
[[nodiscard]] Result<> write_seed(const std::string& path, const api::CloudInit& texts, const std::string& machine_id,
                                  const std::string& name);

}  // namespace vmline::vmm
