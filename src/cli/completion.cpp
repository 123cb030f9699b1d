// SPDX-License-Identifier: Apache-2.0
// Completion scripts; see completion.hpp.
#include "cli/completion.hpp"

#include <fmt/format.h>

#include "cli/command_line.hpp"

namespace vmline::cli {
namespace {

struct OptionEntry {
  std::vector<std::string> shorts, longs;  ///< without dashes
  std::string description;
  bool takes_value = false;
  bool takes_path = false;
};
struct CommandEntry {
  std::string name, description;
  std::vector<OptionEntry> options;
  bool names_vm = false;  ///< its first argument is a VM
};

std::vector<OptionEntry> options_of(const CLI::App& app) {
  std::vector<OptionEntry> entries;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) continue;
    std::string type = option->get_type_name();
    entries.push_back({option->get_snames(), option->get_lnames(), option->get_description(), option->get_items_expected_max() > 0,
                       type.starts_with("PATH") || type.ends_with(".json")});
  }
  return entries;
}

std::vector<CommandEntry> commands_of(const CLI::App& app) {
  std::vector<CommandEntry> entries;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    CommandEntry entry{command->get_name(), command->get_description(), options_of(*command), false};
    for (const CLI::Option* option : command->get_options()) {
      std::string name = option->get_name();
      if (option->get_positional() && (name == vm_argument || name == line_argument)) entry.names_vm = true;
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::string words(const std::vector<OptionEntry>& options) {
  std::string all;
  for (const OptionEntry& option : options) {
    for (const std::string& name : option.shorts) all += fmt::format(" -{}", name);
    for (const std::string& name : option.longs) all += fmt::format(" --{}", name);
  }
  return all.empty() ? all : all.substr(1);
}

/// In single quotes, for any of the shells.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::string commands, cases, paths;
  for (const CommandEntry& command : commands_of(app)) {
    commands += (commands.empty() ? "" : " ") + command.name;
    cases += fmt::format("    {}) options={}; vms={} ;;\n", command.name, quoted(words(command.options)), command.names_vm ? 1 : 0);
    for (const OptionEntry& option : command.options) {
      for (const std::string& name : option.longs) {
        std::string flag = fmt::format("{}:--{}", command.name, name);
        if (option.takes_path) paths += (paths.empty() ? "" : "|") + flag;
      }
    }
  }
  return fmt::format(R"SCRIPT(# bash completion for vmline; made by `vmline completion bash`
_vmline() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command= options={} vms=0 i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${{COMP_WORDS[i]}} in
      --root) ((++i)) ;;
      -*) ;;
      *) command=${{COMP_WORDS[i]}}; break ;;
    esac
  done
  COMPREPLY=()
  if [[ -z $command ]]; then
    COMPREPLY=($(compgen -W "{} $options" -- "$current"))
    return
  fi
  case $command in
{}    completion) options='bash zsh fish' ;;
  esac
  case $command:$previous in
    {}|*:--root) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  if [[ $vms = 1 && $current != -* ]]; then
    COMPREPLY=($(compgen -W "$(vmline ps --names 2>/dev/null)" -- "$current"))
  else
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  fi
}}
complete -o default -F _vmline vmline
)SCRIPT",
                     quoted(words(options_of(app))), commands, cases, paths);
}

std::string zsh_completion(const CLI::App& app) {
  auto escaped = [](const std::string& text) {
    std::string out;
    for (char c : text) out += c == '[' || c == ']' || c == ':' ? fmt::format("\\{}", c) : std::string(1, c);
    return out;
  };
  auto arguments = [&](const std::vector<OptionEntry>& options) {
    std::string out;
    for (const OptionEntry& option : options) {
      std::string value = option.takes_path ? ":path:_files" : option.takes_value ? ":value:" : "";
      for (const std::string& name : option.shorts)
        out += " \\\n        " + quoted(fmt::format("-{}[{}]{}", name, escaped(option.description), value));
      for (const std::string& name : option.longs)
        out += " \\\n        " + quoted(fmt::format("--{}[{}]{}", name, escaped(option.description), value));
    }
    return out;
  };
  std::string commands, cases;
  for (const CommandEntry& command : commands_of(app)) {
    commands += fmt::format("    {}\n", quoted(escaped(command.name) + ":" + escaped(command.description)));
    std::string first = command.names_vm               ? " \\\n        '1:VM:_vmline_names' '*::argument:_default'"
                        : command.name == "completion" ? " '1:shell:(bash zsh fish)'"
                                                       : "";
    cases += fmt::format("    {}) _arguments -s{}{} ;;\n", command.name, arguments(command.options), first);
  }
  return fmt::format(R"SCRIPT(#compdef vmline
# zsh completion for vmline; made by `vmline completion zsh`
_vmline_names() {{
  local -a names=(${{(f)"$(vmline ps --names 2>/dev/null)"}})
  compadd -a names
}}
_vmline() {{
  local -a commands=(
{}  )
  local context state line
  _arguments -C{} '1: :->command' '*:: :->arguments'
  case $state in
    command) _describe command commands ;;
    arguments) case $words[1] in
{}    esac ;;
  esac
}}
compdef _vmline vmline
)SCRIPT",
                     commands, arguments(options_of(app)), cases);
}

std::string fish_completion(const CLI::App& app) {
  std::string out = "# fish completion for vmline; made by `vmline completion fish`\ncomplete -c vmline -f\n";
  auto add_options = [&](const std::string& condition, const std::vector<OptionEntry>& options) {
    for (const OptionEntry& option : options) {
      out += "complete -c vmline" + condition;
      for (const std::string& name : option.shorts) out += " -s " + name;
      for (const std::string& name : option.longs) out += " -l " + name;
      if (option.takes_value) out += option.takes_path ? " -r -F" : " -x";
      out += " -d " + quoted(option.description) + "\n";
    }
  };
  add_options("", options_of(app));
  for (const CommandEntry& command : commands_of(app)) {
    out += fmt::format("complete -c vmline -n __fish_use_subcommand -a {} -d {}\n", command.name, quoted(command.description));
    std::string condition = fmt::format(" -n '__fish_seen_subcommand_from {}'", command.name);
    add_options(condition, command.options);
    if (command.names_vm) out += fmt::format("complete -c vmline{} -a '(vmline ps --names 2>/dev/null)'\n", condition);
    if (command.name == "completion") out += fmt::format("complete -c vmline{} -a 'bash zsh fish'\n", condition);
  }
  return out;
}

}  // namespace vmline::cli
