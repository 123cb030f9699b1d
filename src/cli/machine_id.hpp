// SPDX-License-Identifier: Apache-2.0
// A VM's identity, which its guest is given as SMBIOS UUID: made once, and kept in its stored spec from then on.
#pragma once
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "wire/api/spec.hpp"

namespace vmline::cli {

/// A random UUID (version 4, RFC 9562), in lower case.
Result<std::string> make_machine_id();

/// Gives a spec that has none, and whose driver gives it to a guest, the id of `stored` (the text of the VM's spec.json, or empty), else a
/// new one.
Result<> keep_machine_id(api::Spec& spec, std::string_view stored);

}  // namespace vmline::cli
