// SPDX-License-Identifier: Apache-2.0
// A program run for what it says, such as its version: without a shell, with no input, and not for long.
#pragma once
#include <string>
#include <vector>

#include "base/error.hpp"

namespace vmline::vmm {

/// What it says on stdout and stderr, until it ends with exit status 0. Any other end, silence beyond limits::program_answer_time and more
/// than limits::program_answer bytes are errors, without the program's name; it is gone then, with all of its process group.
[[nodiscard]] Result<std::string> ask_program(const std::vector<std::string>& argv, const std::vector<std::string>& environment);

}  // namespace vmline::vmm
