// SPDX-License-Identifier: Apache-2.0
// The table's commands on lines: attach, send, logs, wait, events.
#include "cli/command_line.hpp"
#include "cli/commands.hpp"

namespace vmline::cli {
namespace {

constexpr const char* line_group = "Use their lines";
constexpr const char* look_group = "Look at VMs";
constexpr const char* where = "an offset, -BYTES (before the newest), start, tail, boot:N or boot:-1 (the newest boot)";

/// "^]", "^A", one character, or none.
std::optional<char> parse_escape(const std::string& text) {
  if (text == "none") return std::nullopt;
  if (text.size() == 1) return text[0];
  char key = text.size() == 2 && text[0] == '^' ? static_cast<char>(std::toupper(static_cast<unsigned char>(text[1]))) : '\0';
  if (key < '@' || key > '_') throw CLI::ValidationError("--escape", "'" + text + "' is neither ^] nor ^A to ^_, one character, or none");
  return static_cast<char>(key - '@');
}

void add_attach(CommandLine& table) {
  CLI::App& command = table.command(
      line_group, "attach", "Be on a VM's console; Ctrl-] leaves",
      "First comes what memory has of the line (questions to the terminal taken out of it), then it is live; what is typed\n"
      "before that is thrown away. Boots and gaps are told in a dim line each. Reboots, crashes of the monitor and of vmline\n"
      "itself do not end it. Any number may look; one at a time types, and --take takes that over.\n"
      "Where stdin is a pipe it is typed after the replay; --wait after the guest has taken all of it, attach leaves:\n"
      "  echo uname -a | vmline attach web1 --from tail");
  auto options = std::make_shared<AttachOptions>();
  command.add_option(line_argument, options->line, "The VM, and which of its lines (the first)")->required()->type_name("");
  CLI::Option* read_only = command.add_flag("--read-only", options->read_only, "Type nothing; stays when stdin is at its end");
  command.add_flag("--take", options->take, "Take the typing over from whoever has it")->excludes(read_only);
  command.add_option("--from", options->from, std::string("Begin at ") + where)->type_name("WHERE");
  command
      .add_option_function<std::string>(
          "--escape", [options](const std::string& text) { options->escape = parse_escape(text); },
          "The key that leaves: ^] (the default), ^A to ^_, one character, or none")
      ->type_name("KEY");
  add_duration(
      command, "--wait", [options](auto time) { options->wait = time; }, "With a pipe as stdin: how long to stay after its end (1s)");
  table.on(command, [options](const Context& context) { return attach(context, *options); });
}

void add_send(CommandLine& table) {
  CLI::App& command = table.command(line_group, "send", "Type text and Enter into a VM's line; without text, stdin as it is",
                                    "Examples:\n"
                                    "  vmline send web1 systemctl restart nginx\n"
                                    "  vmline send web1 --sysrq s                 sync the guest's disks\n"
                                    "  printf '\\003' | vmline send web1          Ctrl-C");
  auto options = std::make_shared<SendOptions>();
  command.add_option(line_argument, options->line, "The VM, and which of its lines (the first)")->required()->type_name("");
  command.add_option("TEXT", options->words, "What to type; its words are joined by blanks")->type_name("")->expected(0, -1);
  command.add_flag_callback("--no-enter", [options] { options->enter = false; }, "Type no Enter (carriage return) after TEXT");
  command.add_flag("--take", options->take, "Take the typing over from whoever has it");
  auto* brk = command.add_flag("--break", options->send_break, "Send a break condition, and nothing else")->excludes("TEXT");
  command.add_option("--sysrq", options->sysrq, "Send a break and then this key: the kernel's magic SysRq")
      ->type_name("KEY")
      ->excludes("TEXT")
      ->excludes(brk);
  add_duration(command, "--timeout", [options](auto time) { options->timeout = time; }, "How long the guest may take to read it (60s)");
  table.takes_words_behind_dashes(command);
  table.on(command, [options, &table](const Context& context) {
    options->words.insert(options->words.end(), table.behind_dashes().begin(), table.behind_dashes().end());
    return send(context, *options);
  });
}

void add_logs(CommandLine& table) {
  CLI::App& command =
      table.command(line_group, "logs", "Print what a guest has said, of running and stopped VMs alike",
                    "On a terminal it is plain text: control sequences are taken out, boots and gaps told between. Else, and with --raw,\n"
                    "it is the guest's bytes.");
  auto options = std::make_shared<LogsOptions>();
  command.add_option(line_argument, options->line, "The VM, and which of its lines (the first)")->required()->type_name("");
  command.add_flag("-f,--follow", options->follow, "Go on with what comes, until the VM stops");
  CLI::Option* boot =
      command.add_option("--boot", options->boot, "One boot only: its number, or -1 for the newest, -2 for the one before")->type_name("N");
  command.add_option("--from", options->from, std::string("Begin at ") + where)->type_name("WHERE")->excludes(boot);
  command.add_flag("--raw", options->raw, "The bytes as they are, on a terminal too");
  table.on(command, [options](const Context& context) { return logs(context, *options); });
}

void add_wait(CommandLine& table) {
  CLI::App& command = table.command(
      line_group, "wait", "Wait until a VM is in a state, or has said something",
      "Examples:\n"
      "  vmline wait web1 --for 'line:login: $' --timeout 60s\n"
      "  vmline wait web1 --for stopped\n"
      "A regular expression (RE2) is looked for in each line since the newest boot, without control sequences; a line that has not\n"
      "ended, such as a prompt, counts once nothing has followed it for 50 ms. Prints the line. A VM that stops first is a\n"
      "failure (exit code 1), a time limit that passes is exit code 4.");
  auto options = std::make_shared<WaitOptions>();
  command.add_option(line_argument, options->line, "The VM; for line: also which of its lines (the first)")->required();
  command
      .add_option_function<std::string>(
          "--for",
          [options](const std::string& text) {
            bool known = text == "running" || text == "ready" || text == "stopped" || text.starts_with("line:");
            if (!known) throw CLI::ValidationError("--for", "'" + text + "' is none of running, ready, stopped, line:REGEX");
            options->condition = text;
          },
          "running, ready, stopped, or line:REGEX")
      ->type_name("WHAT")
      ->required();
  add_duration(command, "--timeout", [options](auto time) { options->timeout = time; }, "For how long (for ever)");
  command.add_option("--from", options->from, std::string("With line: begin at ") + where)->type_name("WHERE");
  add_json(command, [options] { options->format = Format::json; });
  table.on(command, [options](const Context& context) { return wait(context, *options); });
}

void add_events(CommandLine& table) {
  CLI::App& command = table.command(look_group, "events", "Tell what happened to a VM, or to every VM: boots, states, gaps, stops", "");
  auto options = std::make_shared<EventsOptions>();
  command.add_option(vm_argument, options->name, "The VM; without it, every VM there is now");
  command.add_flag("-f,--follow", options->follow, "Go on with what happens, until it stops");
  add_json(command, [options] { options->format = Format::json; });
  table.on(command, [options](const Context& context) { return events(context, *options); });
}

}  // namespace

void add_line_commands(CommandLine& table) {
  add_attach(table);
  add_send(table);
  add_logs(table);
  add_wait(table);
  add_events(table);
}

}  // namespace vmline::cli
