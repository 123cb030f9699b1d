// SPDX-License-Identifier: Apache-2.0
// No disk image is written to by two VMs at once: that ends both their file systems.
#pragma once
#include "base/error.hpp"
#include "os/places.hpp"
#include "wire/api/spec.hpp"

namespace vmline::cli {

/// conflict where another VM of this ROOT that runs, or is being started, writes to an image of this one, or reads one that this one
/// writes to; by the file itself, whatever names it has. The spec is stored already, so that of two who start at once one sees the other.
Result<> check_images(const os::Places& places, const api::Spec& spec);

}  // namespace vmline::cli
