// SPDX-License-Identifier: Apache-2.0
// vmline: the command line. Everything is in src/cli.
#include "cli/program.hpp"

int main(int argc, char** argv) { return vmline::cli::run_program(argc, argv); }
