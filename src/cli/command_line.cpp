// SPDX-License-Identifier: Apache-2.0
// The one table of commands and options; see command_line.hpp.
#include "cli/command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "wire/api/size.hpp"
#include "wire/api/version.hpp"

namespace vmline::cli {

CommandLine::CommandLine()
    : app_("Runs virtual machines and keeps their serial lines: over guest reboots, monitor crashes and its own death.", "vmline") {
  app_.get_formatter()->column_width(32);
  app_.get_formatter()->label("SUBCOMMAND", "COMMAND");
  app_.get_formatter()->label("SUBCOMMANDS", "COMMANDS");
  app_.get_formatter()->label("OPTIONS", "Options");
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.add_option_function<std::string>(
          "--root", [this](const std::string& root) { root_ = root; },
          "Where VMs are kept, instead of $VMLINE_ROOT, /var/lib/vmline (root) or ~/.local/state/vmline")
      ->type_name("PATH");
  app_.set_version_flag("--version", fmt::format("vmline {}", api::version), "Print the version and exit");
  app_.set_help_flag("-h,--help", "Print this help and exit");
  app_.footer(
      "Examples:\n"
      "  vmline run web1 --kernel vmlinuz --initramfs initrd.img --memory 1G\n"
      "  vmline attach web1                      the console; Ctrl-] leaves\n"
      "  vmline keep fw1 --connect /run/fw1/serial.sock\n"
      "                                          keep the line of a VM that somebody else runs\n"
      "  vmline logs -f web1                     all it ever said, and what comes\n"
      "`vmline COMMAND --help` tells more. Exit codes: 0 done, 1 failed, 2 usage, 3 no such VM, line or boot, 4 timed out.");
  add_run_commands(*this);
  add_vm_commands(*this);
  add_line_commands(*this);
  add_completion(*this);
}

CLI::App& CommandLine::command(const std::string& group, const std::string& name, const std::string& description,
                               const std::string& examples) {
  CLI::App* command = app_.add_subcommand(name, description);
  command->group(group);
  command->fallthrough();
  command->footer(examples);
  return *command;
}

void CommandLine::on(CLI::App& command, Action action) {
  command.callback([this, action = std::move(action)] { action_ = action; });
}

Result<CommandLine::Parsed> CommandLine::parse(int argc, const char* const* argv) {
  const char* const* end = argv + argc;
  const char* const* dashes = std::find_if(argv + std::min(argc, 1), end, [](std::string_view word) { return word == "--"; });
  if (dashes != end) behind_dashes_.assign(dashes + 1, end);
  try {
    app_.parse(static_cast<int>(dashes - argv), argv);
    if (dashes != end && std::ranges::find(taking_words_, app_.get_subcommands().front()) == taking_words_.end()) {
      return fail(fmt::format("`vmline {}` takes nothing behind --", app_.get_subcommands().front()->get_name()), ErrorKind::usage);
    }
    return Parsed{action_, ""};
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    if (error.get_exit_code() == 0) {  // --help and --version come as errors
      std::ostringstream unused;
      app_.exit(error, out, unused);
      return Parsed{{}, out.str()};
    }
    std::vector<CLI::App*> chosen = app_.get_subcommands();
    if (chosen.empty()) {
      std::vector<std::string> rest = app_.remaining();
      if (!rest.empty() && !rest.front().starts_with('-'))
        return fail(fmt::format("there is no command '{}'; see `vmline --help`", rest.front()), ErrorKind::usage);
      if (rest.empty() && error.get_name() == "RequiredError")
        return fail("give a command, such as run, ps or attach; see `vmline --help`", ErrorKind::usage);
    }
    std::string help = chosen.empty() ? "vmline --help" : fmt::format("vmline {} --help", chosen.front()->get_name());
    return fail(fmt::format("{}; see `{}`", error.what(), help), ErrorKind::usage);
  }
}

CLI::Option* add_duration(CLI::App& command, const std::string& flag, std::function<void(std::chrono::milliseconds)> take,
                          const std::string& description) {
  return command
      .add_option_function<std::string>(
          flag,
          [flag, take = std::move(take)](const std::string& text) {
            auto duration = api::parse_duration(text);
            if (!duration) throw CLI::ValidationError(flag, duration.error().sentence());
            take(*duration);
          },
          description)
      ->type_name("TIME");
}

CLI::Option* add_json(CLI::App& command, std::function<void()> take) {
  return command.add_flag_callback("--json", std::move(take), "Print JSON, for programs");
}

}  // namespace vmline::cli
