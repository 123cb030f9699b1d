// SPDX-License-Identifier: Apache-2.0
// Where the other programs of vmline are: beside the one that runs, or in ../libexec/vmline.
#pragma once
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace vmline::cli {

Result<std::string> find_program(std::string_view name);

}  // namespace vmline::cli
