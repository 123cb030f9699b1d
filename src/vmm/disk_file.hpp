// SPDX-License-Identifier: Apache-2.0
// Whether a disk's file is what the spec says it is. A format is never guessed, but one that is plainly wrong is told before a guest reads
// an image's header as its partition table, or a monitor a guest's bytes as an image.
#pragma once
#include <string_view>

#include "base/error.hpp"
#include "wire/api/spec.hpp"

namespace vmline::vmm {

/// `what` it is called in errors: "disk", "root disk", "seed".
[[nodiscard]] Result<> check_disk_file(std::string_view what, const api::Disk& disk);

}  // namespace vmline::vmm
