// SPDX-License-Identifier: Apache-2.0
// QEMU's command line. A q35 machine with nothing on it but what the spec says; SeaBIOS boots kernels (qboot.rom saves 50 ms a boot with
// a bare-metal kernel and nothing with Linux, but boots no disk: who wants it gives -bios in monitor_args).
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "vmm/acceleration.hpp"
#include "vmm/guest.hpp"
#include "vmm/qemu/qemu.hpp"
#include "vmm/qemu/quote.hpp"
#include "wire/api/size.hpp"

namespace vmline::vmm::qemu {
namespace {

using Source = DescriptorAction::Source;
using Arguments = std::vector<std::string>;

void append(Arguments& to, std::initializer_list<std::string> more) { to.insert(to.end(), more); }

/// RUN/NAME/LINE of RUN/NAME/LINE.out: the pipe chardev adds .in and .out itself.
std::string stem(const std::string& fifo) { return fifo.substr(0, fifo.size() - std::string_view(".out").size()); }

std::string chardev_of(const LineEndpoint& line, const std::string& id) {
  switch (line.upstream) {
    case api::UpstreamKind::carried: return option("pipe", {{"id", id}, {"path", stem(line.output_fifo)}});
    case api::UpstreamKind::dial: return option("socket", {{"id", id}, {"path", line.socket_path}, {"server", "on"}, {"wait", "off"}});
    case api::UpstreamKind::listen: break;
  }
  return option("socket", {{"id", id}, {"path", line.socket_path}, {"server", "off"}});
}

void add_line(Arguments& argv, const LineEndpoint& line, bool first_console) {
  // An id must begin with a letter; a line's name need not.
  std::string id = "line-" + line.name;
  append(argv, {"-chardev", chardev_of(line, id)});
  switch (device_of(line.name)) {
    case LineDevice::serial: append(argv, {"-serial", "chardev:" + id}); break;
    case LineDevice::console:
      if (first_console) append(argv, {"-device", "virtio-serial-pci"});
      append(argv, {"-device", option("virtconsole", {{"chardev", id}})});
      break;
    case LineDevice::debug: append(argv, {"-device", option("isa-debugcon", {{"iobase", "0xe9"}, {"chardev", id}})}); break;
  }
}

LinePlan plan_line(const LineEndpoint& endpoint) {
  LinePlan line{.name = endpoint.name, .upstream = endpoint.upstream};
  if (endpoint.upstream == api::UpstreamKind::carried) {
    line.output_fifo = endpoint.output_fifo;
    line.typing = Typing::fifo;
    line.input_fifo = endpoint.input_fifo;
  } else {
    line.typing = Typing::socket;
    line.socket_path = endpoint.socket_path;
    line.monitor_binds = endpoint.upstream == api::UpstreamKind::dial;
  }
  if (device_of(endpoint.name) == LineDevice::debug) {
    line.typing = Typing::none;
    line.input_fifo.clear();
    line.no_typing = "the debug port has no input";
  }
  return line;
}

/// -m takes MiB where no unit stands, and B for bytes.
std::string memory_of(const api::Spec& spec) {
  std::string text = api::format_size(spec.memory);
  return text.back() >= '0' && text.back() <= '9' ? text + "B" : text;
}

Arguments arguments(const api::Spec& spec, const Endpoints& endpoints, const std::string& binary, bool kvm) {
  Arguments argv = {binary,
                    "-no-user-config",
                    "-nodefaults",
                    "-name",
                    quoted(spec.name),
                    "-machine",
                    option("q35", {{"accel", kvm ? "kvm" : "tcg"}}),
                    "-cpu",
                    "max",
                    "-m",
                    memory_of(spec),
                    "-smp",
                    std::to_string(spec.cpus),
                    "-display",
                    "none",
                    "-vga",
                    "none",
                    "-S"};
  append(argv, {"-chardev", option("pipe", {{"id", "qmp"}, {"path", stem(endpoints.control_out)}}), "-mon",
                option("", {{"chardev", "qmp"}, {"mode", "control"}})});
  bool first_console = true;
  for (const LineEndpoint& line : endpoints.lines) {
    add_line(argv, line, first_console);
    if (device_of(line.name) == LineDevice::console) first_console = false;
  }
  if (!spec.firmware.empty()) append(argv, {"-bios", spec.firmware});
  if (!spec.kernel.empty()) append(argv, {"-kernel", spec.kernel, "-append", command_line_of(spec)});
  if (!spec.initramfs.empty()) append(argv, {"-initrd", spec.initramfs});
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    std::string id = fmt::format("disk{}", i);
    const api::Disk& disk = spec.disks[i];
    append(argv, {"-drive",
                  option("", {{"file", file_name(disk.path)},
                              {"if", "none"},
                              {"id", id},
                              {"format", disk.format},
                              {"readonly", disk.readonly ? "on" : "off"}}),
                  "-device", option("virtio-blk-pci", {{"drive", id}})});
  }
  argv.insert(argv.end(), spec.monitor_args.begin(), spec.monitor_args.end());
  return argv;
}

Result<> check_lines(const Endpoints& endpoints) {
  auto serials = std::ranges::count(endpoints.lines, LineDevice::serial, [](const LineEndpoint& line) { return device_of(line.name); });
  // With a fifth, QEMU goes on without a word and the line stays silent.
  if (serials > 4) return fail(fmt::format("a PC has at most 4 serial ports, and {} are asked for", serials), ErrorKind::usage);
  return {};
}

}  // namespace

Result<Plan> make_plan(const api::Spec& spec, const Endpoints& endpoints, const Host& host) {
  TRY(check_guest(spec));
  TRY(check_lines(endpoints));
  TRY_ASSIGN(const Acceleration acceleration, choose_acceleration(spec.acceleration, host));
  Plan plan;
  plan.acceleration = acceleration.kvm ? "kvm" : "tcg";
  if (!acceleration.warning.empty()) plan.warnings.push_back(acceleration.warning);
  plan.control_out = endpoints.control_out;
  plan.control_in = endpoints.control_in;
  plan.fifos = {{endpoints.control_out, true}, {endpoints.control_in, true}};
  for (const LineEndpoint& endpoint : endpoints.lines) {
    plan.lines.push_back(plan_line(endpoint));
    if (endpoint.upstream != api::UpstreamKind::carried) continue;
    // The debug port's input FIFO too, though nobody types: without both, the pipe chardev would open LINE itself.
    plan.fifos.push_back({endpoint.output_fifo, false});
    plan.fifos.push_back({endpoint.input_fifo, false});
  }
  int append_only = O_WRONLY | O_CREAT | O_APPEND;
  plan.processes.push_back({.name = "monitor",
                            .argv = arguments(spec, endpoints, host.binary, acceleration.kvm),
                            .environment = host.environment,
                            .directory = spec.directory.empty() ? "/" : spec.directory,
                            .descriptors = {{Source::null, 0, "", 0},
                                            {Source::path, 1, endpoints.monitor_log, append_only},
                                            {Source::path, 2, endpoints.monitor_log, append_only}}});
  return plan;
}

std::vector<StopStep> make_stop_steps(const api::Spec& spec) {
  using Action = StopStep::Action;
  return {{"power-button", Action::power_button, spec.stop.guest},
          {"quit", Action::quit, spec.stop.monitor},
          {"SIGTERM", Action::terminate, spec.stop.term},
          {"SIGKILL", Action::kill, spec.stop.term}};
}

}  // namespace vmline::vmm::qemu
