// SPDX-License-Identifier: Apache-2.0
// This process's environment, as those that it starts are given it.
#pragma once
#include <string>
#include <vector>

namespace vmline::os {

/// NAME=VALUE entries.
std::vector<std::string> environment();

}  // namespace vmline::os
