// SPDX-License-Identifier: Apache-2.0
// The table's commands on VMs: stop, kill, reboot, reset, ps, inspect, rm.
#include "cli/command_line.hpp"
#include "cli/commands.hpp"

namespace vmline::cli {
namespace {

constexpr const char* run_group = "Run VMs";
constexpr const char* look_group = "Look at VMs";

template <class Options>
std::shared_ptr<Options> of_vm(CLI::App& command) {
  auto options = std::make_shared<Options>();
  command.add_option(vm_argument, options->name, "The VM")->required()->type_name("");
  add_json(command, [options] { options->format = Format::json; });
  return options;
}

}  // namespace

void add_vm_commands(CommandLine& table) {
  CLI::App& stop_command =
      table.command(run_group, "stop", "Ask the guest to power off; make it, step by step, when it does not",
                    "A power button first, then the monitor's own shutdown, SIGTERM, SIGKILL, each with its time; says which ended it.");
  auto stop_options = of_vm<StopOptions>(stop_command);
  add_duration(stop_command, "--timeout", [stop_options](auto time) { stop_options->timeout = time; }, "How long the guest may take (10s)");
  table.on(stop_command, [stop_options](const Context& context) { return stop(context, *stop_options); });

  CLI::App& kill_command = table.command(run_group, "kill", "End a VM at once", "");
  auto kill_options = of_vm<VmOptions>(kill_command);
  table.on(kill_command, [kill_options](const Context& context) { return kill(context, *kill_options); });

  CLI::App& reboot_command =
      table.command(run_group, "reboot", "Ask the guest to power off and start it again on the same line; reset it when it does not", "");
  auto reboot_options = of_vm<StopOptions>(reboot_command);
  add_duration(
      reboot_command, "--timeout", [reboot_options](auto time) { reboot_options->timeout = time; }, "How long the guest may take (10s)");
  table.on(reboot_command, [reboot_options](const Context& context) { return reboot(context, *reboot_options); });

  CLI::App& reset_command = table.command(run_group, "reset", "Reset a VM as its button would, on the same line", "");
  auto reset_options = of_vm<VmOptions>(reset_command);
  table.on(reset_command, [reset_options](const Context& context) { return reset(context, *reset_options); });

  CLI::App& pause_command = table.command(run_group, "pause", "Stop a VM's CPUs; resume lets them go on", "");
  auto pause_options = of_vm<VmOptions>(pause_command);
  table.on(pause_command, [pause_options](const Context& context) { return pause(context, *pause_options, true); });

  CLI::App& resume_command = table.command(run_group, "resume", "Let a paused VM go on", "");
  auto resume_options = of_vm<VmOptions>(resume_command);
  table.on(resume_command, [resume_options](const Context& context) { return pause(context, *resume_options, false); });

  CLI::App& nmi_command = table.command(run_group, "nmi", "Send a guest a non-maskable interrupt: one set up for it panics, and dumps", "");
  auto nmi_options = of_vm<VmOptions>(nmi_command);
  table.on(nmi_command, [nmi_options](const Context& context) { return nmi(context, *nmi_options); });

  CLI::App& remove_command =
      table.command(run_group, "rm", "Remove a stopped VM: its spec and its history", "A log outside vmline's own folders (--log) stays.");
  auto remove_options = of_vm<RemoveOptions>(remove_command);
  remove_command.add_flag("--force", remove_options->force, "Stop it first where it runs");
  table.on(remove_command, [remove_options](const Context& context) { return remove(context, *remove_options); });

  CLI::App& list_command =
      table.command(look_group, "ps", "List every VM",
                    "GAPS is how many bytes of the guest's the logs lack. A VM whose holder and keeper are gone is brought back by being\n"
                    "looked at.");
  auto list_options = std::make_shared<ListOptions>();
  list_command.add_flag("-q,--names", list_options->names_only, "Names only; looks at none of them");
  add_json(list_command, [list_options] { list_options->format = Format::json; })->excludes("--names");
  table.on(list_command, [list_options](const Context& context) { return list(context, *list_options); });

  CLI::App& doctor_command = table.command(look_group, "doctor", "Tell what this host has for VMs, and what was left behind",
                                           "It looks and changes nothing. Exit code 1 where something is wrong.");
  auto doctor_format = std::make_shared<Format>(Format::text);
  add_json(doctor_command, [doctor_format] { *doctor_format = Format::json; });
  table.on(doctor_command, [doctor_format](const Context& context) { return doctor(context, *doctor_format); });

  CLI::App& inspect_command = table.command(look_group, "inspect", "Tell all that is known of one VM, its lines and its spec", "");
  auto inspect_options = of_vm<VmOptions>(inspect_command);
  table.on(inspect_command, [inspect_options](const Context& context) { return inspect(context, *inspect_options); });
}

}  // namespace vmline::cli
