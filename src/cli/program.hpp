// SPDX-License-Identifier: Apache-2.0
// The program `vmline`: arguments in, exit code out.
#pragma once

namespace vmline::cli {

int run_program(int argc, const char* const* argv);

}  // namespace vmline::cli
