// SPDX-License-Identifier: Apache-2.0
// Completion scripts, made from the table of commands. Names of VMs are asked of the program when they are needed. Pure.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

namespace vmline::cli {

[[nodiscard]] std::string bash_completion(const CLI::App& app);
[[nodiscard]] std::string zsh_completion(const CLI::App& app);
[[nodiscard]] std::string fish_completion(const CLI::App& app);

}  // namespace vmline::cli
