// SPDX-License-Identifier: Apache-2.0
// Devices as the command line gives them: "disk.img,format=qcow2,readonly". A comma within a value is written twice, as QEMU does. What
// the values may be, api::check_spec says.
#pragma once
#include <string_view>

#include "base/error.hpp"
#include "wire/api/spec.hpp"

namespace vmline::cli {

/// PATH[,format=FORMAT][,readonly]. `option` is its name, for errors.
Result<api::Disk> parse_disk(std::string_view option, std::string_view text);
/// [tap=NAME][,mac=MAC][,bridge=BRIDGE][,ours=yes|no]; "auto" and "" leave everything to vmline.
Result<api::Network> parse_network(std::string_view text);
/// TAG=PATH[,readonly]
Result<api::Share> parse_share(std::string_view text);
/// NAME=REGEX, as it is: an expression's commas are its own.
Result<api::MatchRule> parse_match(std::string_view text);

}  // namespace vmline::cli
