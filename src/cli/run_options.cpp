// SPDX-License-Identifier: Apache-2.0
// The table's commands that make VMs run: run, start, keep.
#include <fmt/format.h>

#include <filesystem>
#include <iostream>

#include "base/limits.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/host_file.hpp"
#include "cli/launch.hpp"
#include "cli/spec_options.hpp"
#include "os/files.hpp"
#include "wire/api/spec_json.hpp"

namespace vmline::cli {
namespace {

constexpr const char* group = "Run VMs";

std::string current_folder() {
  std::error_code ec;
  return std::filesystem::current_path(ec).string();
}

/// From a pipe no more than what is taken, and a byte, so that what is too long is told and not kept.
Result<std::string> read_input(const std::string& path, std::size_t most) {
  if (path != "-") return os::read_file(path, most);
  std::string text(most + 1, '\0');
  std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::cin.gcount()));
  if (text.size() > most) return fail(fmt::format("stdin: more than the {} bytes that are taken", most), ErrorKind::usage);
  return text;
}

Result<> read_sources(const RunFlags& flags, RunSources& sources) {
  sources.folder = sources.file_folder = current_folder();
  if (flags.file) {
    TRY_ASSIGN(sources.file, read_input(*flags.file, limits::spec_file));
    if (*flags.file != "-") sources.file_folder = std::filesystem::absolute(*flags.file).parent_path().string();
  }
  if (flags.user_data) {
    TRY_ASSIGN(sources.user_data, read_input(*flags.user_data, limits::cloud_init_text));
  }
  if (flags.monitor_config) {
    TRY_ASSIGN(sources.monitor_config, read_input(*flags.monitor_config, limits::monitor_config));
  }
  return {};
}

struct RunOptions : LaunchOptions {
  bool dry_run = false;
};

Result<int> run_with(const Context& context, const RunFlags& flags, const RunOptions& options) {
  TRY_ASSIGN(const HostSettings host, load_host_settings());
  RunSources sources;
  sources.host = host.file;
  sources.host_folder = host.path.empty() ? "/" : host.folder();
  TRY(read_sources(flags, sources));
  TRY_ASSIGN(sources.default_name, free_name(context.places));
  TRY_ASSIGN(const api::Spec spec, spec_of_run(flags, sources));
  TRY(check_host_limits(host, context.places, spec));
  return options.dry_run ? dry_run(context, spec, options.format) : run(context, spec, options);
}

/// The host's limits hold for what was stored before they were set, too.
Result<int> start_with(const Context& context, const VmOptions& options, bool foreground) {
  TRY_ASSIGN(const HostSettings host, load_host_settings());
  auto stored = api::is_vm_name(options.name) ? os::read_file(context.places.vm_dir(options.name) + "/spec.json", limits::spec_file)
                                              : Result<std::string>(std::string());
  // What cannot be read is told by who starts it.
  auto spec = stored ? api::parse_spec(*stored) : Result<api::Spec>(std::unexpected(stored.error()));
  if (spec) TRY(check_host_limits(host, context.places, *spec));
  return start(context, options, foreground);
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

/// An option that may be given again.
void add_repeated(CLI::App& command, const std::string& name, std::vector<std::string>& target, const std::string& description,
                  const std::string& type) {
  command.add_option(name, target, description + "; may be given again")
      ->type_name(type)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_device_options(CLI::App& command, RunFlags& flags) {
  const std::string disk = "PATH[,format=raw|qcow2][,readonly]";
  command.add_option("--root-disk", flags.root_disk, "The first disk, /dev/vda. A comma in its path is written twice")->type_name(disk);
  command.add_option("--seed", flags.seed, "An ISO for cloud-init, read-only, behind the root disk")->type_name("PATH");
  command.add_option("--user-data", flags.user_data, "A file of user data for cloud-init, of which vmline makes the seed")
      ->type_name("PATH");
  add_repeated(command, "--disk", flags.disks, "A disk behind these. A comma in its path is written twice", disk);
  add_repeated(command, "--net", flags.networks,
               "A network device on a TAP; auto: one that vmline makes. ours=no: the TAP is somebody else's and stays",
               "auto|[tap=NAME][,mac=MAC][,bridge=BRIDGE][,ours=yes|no]");
  add_repeated(command, "--share", flags.shares, "A directory for the guest, by virtio-fs: mount -t virtiofs TAG", "TAG=PATH[,readonly]");
}

void add_monitor_options(CLI::App& command, RunFlags& flags) {
  command.add_option("--machine", flags.machine, "QEMU's machine: q35 or microvm (q35)")->type_name("MACHINE");
  command.add_option("--machine-id", flags.machine_id, "The guest's SMBIOS UUID; without it one is made at the first start, and kept")
      ->type_name("UUID");
  command.add_option("--netns", flags.netns, "The network namespace it runs in: a path, or a name under /run/netns")->type_name("NETNS");
  command.add_option("--cgroup", flags.cgroup, "The cgroup it runs in, from /sys/fs/cgroup")->type_name("PATH");
  command.add_option("--uid", flags.uid, "The user it runs as")->type_name("N");
  command.add_option("--gid", flags.gid, "The group it runs as")->type_name("N");
  command.add_option("--virtiofsd", flags.virtiofsd, "The program that shares directories, instead of the one found")->type_name("PATH");
  command
      .add_option("--ready-marker", flags.ready_marker,
                  "What a guest says before its address when it is ready (VMRS_READY and a blank); '' waits for nothing")
      ->type_name("TEXT");
  add_repeated(command, "--match", flags.matches, "An event of that name when the guest says this (RE2)", "NAME=REGEX");
  command
      .add_option("--monitor-config", flags.monitor_config,
                  "JSON that is merged into what Cloud Hypervisor or Firecracker is told over its API")
      ->type_name("FILE.json");
  add_repeated(command, "--monitor-arg", flags.monitor_args, "Handed on to the monitor as it is", "ARG");
}

void add_run(CommandLine& table) {
  CLI::App& command = table.command(
      group, "run", "Run a VM: a new one, or a stopped one with a new spec and its old history",
      "Examples:\n"
      "  vmline run web1 --kernel vmlinuz --initramfs initrd.img --cmdline 'console=ttyS0 quiet'\n"
      "  vmline run db1 --driver cloud-hypervisor --firmware CLOUDHV.fd --root-disk db.qcow2,format=qcow2 --net auto --memory 4G\n"
      "  vmline run ci --kernel vmlinuz --root-disk ci.raw --user-data cloud.yaml --share src=. --dry-run\n"
      "  vmline run -f web1.json --foreground      as systemd and pods want it\n"
      "Returns when the VM runs, and prints its name, its state and its line's socket.");
  auto flags = std::make_shared<RunFlags>();
  auto options = std::make_shared<RunOptions>();
  command.add_option(vm_argument, flags->name, "Its name; vm1, vm2, … when there is none here nor in the spec");
  command.add_option("-f,--file", flags->file, "A spec (vmline.vm/v1, JSON); - is stdin. Flags go over it")->type_name("SPEC.json");
  command.add_option("--driver", flags->driver, "The monitor: qemu, cloud-hypervisor or firecracker (qemu)")->type_name("DRIVER");
  command.add_option("--binary", flags->binary, "The monitor's program, instead of the one found in PATH")->type_name("PATH");
  command.add_option("--kernel", flags->kernel, "The kernel to boot")->type_name("PATH");
  command.add_option("--initramfs", flags->initramfs, "Its initramfs")->type_name("PATH");
  command.add_option("--cmdline", flags->cmdline, "Its command line (console=ttyS0, and root=/dev/vda1 rw ds=nocloud with a disk)")
      ->type_name("TEXT");
  command.add_option("--firmware", flags->firmware, "Firmware to boot, instead of a kernel")->type_name("PATH");
  command.add_option("--cpus", flags->cpus, "Virtual CPUs (1)")->type_name("N");
  command.add_option("--memory", flags->memory, "Memory (512M)")->type_name("SIZE");
  add_device_options(command, *flags);
  command.add_option("--accel", flags->accel, "auto, kvm or tcg (auto: KVM where it really works)")->type_name("ACCEL");
  command.add_option("--restart", flags->restart, "When the monitor ends by itself: never, on-failure or always (never)")
      ->type_name("WHEN");
  add_monitor_options(command, *flags);
  add_line_options(command, *flags);
  add_launch_options(command, options);
  command.add_flag("--dry-run", options->dry_run, "Print what would be made, started and asked, and do nothing of it");
  table.on(command, [flags, options](const Context& context) { return run_with(context, *flags, *options); });
}

void add_start(CommandLine& table) {
  CLI::App& command = table.command(group, "start", "Run a stopped VM from its stored spec; its history goes on", "");
  auto name = std::make_shared<std::string>();
  auto options = std::make_shared<LaunchOptions>();
  command.add_option(vm_argument, *name, "The VM")->required()->type_name("");
  add_launch_options(command, options);
  table.on(command, [name, options](const Context& context) { return start_with(context, {*name, options->format}, options->foreground); });
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
    TRY_ASSIGN(const HostSettings host, load_host_settings());
    TRY(check_host_limits(host, context.places, spec));
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
