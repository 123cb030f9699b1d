// SPDX-License-Identifier: Apache-2.0
// The table's commands that make VMs run: run, start, keep.
#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <iterator>

#include "base/limits.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/launch.hpp"
#include "cli/spec_options.hpp"
#include "os/files.hpp"

namespace vmline::cli {
namespace {

constexpr const char* group = "Run VMs";

std::string current_folder() {
  std::error_code ec;
  return std::filesystem::current_path(ec).string();
}

Result<std::string> read_spec(const std::string& path) {
  if (path != "-") return os::read_file(path, limits::spec_file);
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

Result<int> run_with(const Context& context, const RunFlags& flags, const LaunchOptions& options) {
  std::string folder = current_folder();
  std::optional<std::string> file;
  if (flags.file) {
    TRY_ASSIGN(file, read_spec(*flags.file));
  }
  std::string file_folder = flags.file ? std::filesystem::absolute(*flags.file).parent_path().string() : folder;
  TRY_ASSIGN(std::string name, free_name(context.places));
  TRY_ASSIGN(api::Spec spec, spec_of_run(flags, file, file_folder, folder, name));
  return run(context, spec, options);
}

void add_launch_options(CLI::App& command, const std::shared_ptr<LaunchOptions>& options) {
  command.add_flag(
      "--foreground", options->foreground,
      "Stay until it ends, its first line on stdout; SIGTERM stops it in order. Exit code 0 when it has stopped, 1 when it has failed");
  add_json(command, [options] { options->format = Format::json; });
}

void add_line_options(CLI::App& command, LineFlags& flags) {
  command.add_option("--log", flags.log, "The line's log, instead of ROOT/vms/NAME/lines/serial0.log")->type_name("PATH");
  command.add_option("--spool", flags.spool, "How much of the line is kept in memory, and replayed to whoever connects: 256K to 1G (1M)")
      ->type_name("SIZE");
  command.add_option("--replay", flags.replay, "What a raw client of the line's socket gets first: spool (what memory has) or none")
      ->type_name("spool|none");
  command.add_flag("--no-journal", flags.no_journal, "Keep no log: what memory has is all");
}

void add_run(CommandLine& table) {
  CLI::App& command = table.command(group, "run", "Run a VM: a new one, or a stopped one with a new spec and its old history",
                                    "Examples:\n"
                                    "  vmline run web1 --kernel vmlinuz --initramfs initrd.img --cmdline 'console=ttyS0 quiet'\n"
                                    "  vmline run db1 --driver cloud-hypervisor --firmware CLOUDHV.fd --disk db.raw --memory 4G --cpus 2\n"
                                    "  vmline run -f web1.json --foreground      as systemd and pods want it\n"
                                    "Returns when the VM runs, and prints its name, its state and its line's socket.");
  auto flags = std::make_shared<RunFlags>();
  auto options = std::make_shared<LaunchOptions>();
  command.add_option(vm_argument, flags->name, "Its name; vm1, vm2, … when there is none here nor in the spec");
  command.add_option("-f,--file", flags->file, "A spec (vmline.vm/v1, JSON); - is stdin. Flags go over it")->type_name("SPEC.json");
  command.add_option("--driver", flags->driver, "The monitor: qemu or cloud-hypervisor (qemu)")->type_name("DRIVER");
  command.add_option("--binary", flags->binary, "The monitor's program, instead of the one found in PATH")->type_name("PATH");
  command.add_option("--kernel", flags->kernel, "The kernel to boot")->type_name("PATH");
  command.add_option("--initramfs", flags->initramfs, "Its initramfs")->type_name("PATH");
  command.add_option("--cmdline", flags->cmdline, "Its command line (console=ttyS0, and root=/dev/vda1 rw with a disk)")->type_name("TEXT");
  command.add_option("--firmware", flags->firmware, "Firmware to boot, instead of a kernel")->type_name("PATH");
  command.add_option("--cpus", flags->cpus, "Virtual CPUs (1)")->type_name("N");
  command.add_option("--memory", flags->memory, "Memory (512M)")->type_name("SIZE");
  command.add_option("--disk", flags->disks, "A disk; may be given again. A comma in its path is written twice")
      ->type_name("PATH[,format=F][,readonly]")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_option("--accel", flags->accel, "auto, kvm or tcg (auto: KVM where it really works)")->type_name("ACCEL");
  command.add_option("--restart", flags->restart, "When the monitor ends by itself: never, on-failure or always (never)")
      ->type_name("WHEN");
  command.add_option("--monitor-arg", flags->monitor_args, "Handed on to the monitor as it is; may be given again")
      ->type_name("ARG")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add_line_options(command, *flags);
  add_launch_options(command, options);
  table.on(command, [flags, options](const Context& context) { return run_with(context, *flags, *options); });
}

void add_start(CommandLine& table) {
  CLI::App& command = table.command(group, "start", "Run a stopped VM from its stored spec; its history goes on", "");
  auto name = std::make_shared<std::string>();
  auto options = std::make_shared<LaunchOptions>();
  command.add_option(vm_argument, *name, "The VM")->required()->type_name("");
  add_launch_options(command, options);
  table.on(command, [name, options](const Context& context) { return start(context, {*name, options->format}, options->foreground); });
}

void add_keep(CommandLine& table) {
  CLI::App& command = table.command(group, "keep", "Keep the line of a monitor that somebody else runs, or of any command (-- COMMAND…)",
                                    "One of --connect, --listen-upstream and -- COMMAND…, which starts in this folder, must be given.\n"
                                    "Examples:\n"
                                    "  vmline keep fw1 --connect /run/fw1/serial.sock     a socket that the monitor listens on\n"
                                    "  vmline keep fw2 --listen-upstream /run/fw2.sock    a socket that the monitor connects to\n"
                                    "  vmline keep job -- make -j4 world                  stdin and stdout of a command\n"
                                    "  vmline keep sh --pty -- sh -i                      the same, its stdin a terminal");
  auto flags = std::make_shared<KeepFlags>();
  auto options = std::make_shared<LaunchOptions>();
  command.add_option(vm_argument, flags->name, "The name it is known by")->required()->type_name("");
  command.add_option("--connect", flags->connect, "Connect to this Unix socket, and again whenever it is bound anew")->type_name("PATH");
  command.add_option("--listen-upstream", flags->listen, "Listen on this Unix socket for the monitor")->type_name("PATH");
  command.add_flag("--pty", flags->pty, "The command's stdin is a terminal");
  command.add_option("--restart", flags->restart, "When the command ends by itself: never, on-failure or always (never)")
      ->type_name("WHEN");
  add_line_options(command, *flags);
  add_launch_options(command, options);
  table.takes_words_behind_dashes(command);
  table.on(command, [flags, options, &table](const Context& context) -> Result<int> {
    flags->command = table.behind_dashes();
    TRY_ASSIGN(api::Spec spec, spec_of_keep(*flags, current_folder()));
    return run(context, spec, *options);
  });
}

}  // namespace

void add_run_commands(CommandLine& table) {
  add_run(table);
  add_start(table);
  add_keep(table);
}

}  // namespace vmline::cli
