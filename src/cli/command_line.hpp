// SPDX-License-Identifier: Apache-2.0
// The one table of commands and options: parsing, --help and completion all come from it.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "cli/context.hpp"

namespace vmline::cli {

class CommandLine {
 public:
  using Action = std::function<Result<int>(const Context&)>;

  CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// The command that was asked for; or the text that was asked for instead (--help, --version), to be printed; or a usage error.
  struct Parsed {
    Action action;  ///< empty: there is only a text
    std::string text;
  };
  Result<Parsed> parse(int argc, const char* const* argv);

  [[nodiscard]] const std::optional<std::string>& root() const { return root_; }
  [[nodiscard]] const CLI::App& app() const { return app_; }
  /// What stood behind a -- (which must be there for a command that takes it).
  [[nodiscard]] const std::vector<std::string>& behind_dashes() const { return behind_dashes_; }

  // For those who fill the table.
  CLI::App& command(const std::string& group, const std::string& name, const std::string& description, const std::string& examples);
  void on(CLI::App& command, Action action);
  /// Everything behind a -- is this command's, as it is. (CLI11 would take options out of it in a subcommand.)
  void takes_words_behind_dashes(CLI::App& command) { taking_words_.push_back(&command); }

 private:
  CLI::App app_;
  std::optional<std::string> root_;
  Action action_;
  std::vector<std::string> behind_dashes_;
  std::vector<const CLI::App*> taking_words_;
};

// The table, a group in each file.
void add_run_commands(CommandLine& table);
void add_vm_commands(CommandLine& table);
void add_line_commands(CommandLine& table);
void add_completion(CommandLine& table);

// Positional arguments whose names tell completion what to offer.
inline constexpr const char* vm_argument = "NAME";
inline constexpr const char* line_argument = "NAME[/LINE]";

/// An option whose value is read at once, so that what is wrong with it is a usage error: "10s", "500ms".
CLI::Option* add_duration(CLI::App& command, const std::string& flag, std::function<void(std::chrono::milliseconds)> take,
                          const std::string& description);
/// --json.
CLI::Option* add_json(CLI::App& command, std::function<void()> take);

}  // namespace vmline::cli
