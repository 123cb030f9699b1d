// SPDX-License-Identifier: Apache-2.0
// The table's command that prints completion scripts.
#include "cli/command_line.hpp"
#include "cli/completion.hpp"
#include "cli/output.hpp"

namespace vmline::cli {

void add_completion(CommandLine& table) {
  CLI::App& command = table.command("Help", "completion", "Print a completion script for bash, zsh or fish",
                                    "Examples:\n"
                                    "  source <(vmline completion bash)\n"
                                    "  vmline completion zsh > ~/.zfunc/_vmline\n"
                                    "  vmline completion fish > ~/.config/fish/completions/vmline.fish");
  auto shell = std::make_shared<std::string>();
  command.add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  table.on(command, [shell, &table](const Context&) -> Result<int> {
    print(*shell == "bash" ? bash_completion(table.app()) : *shell == "zsh" ? zsh_completion(table.app()) : fish_completion(table.app()));
    return 0;
  });
}

}  // namespace vmline::cli
