// SPDX-License-Identifier: Apache-2.0
// See arguments.hpp. A machine with nothing on it but what the spec says; SeaBIOS boots q35's kernels (qboot.rom saves 50 ms a boot with a
// bare-metal kernel and nothing with Linux, but boots no disk: who wants it gives -bios in monitor_args).
#include "vmm/qemu/arguments.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "vmm/disks.hpp"
#include "vmm/guest.hpp"
#include "vmm/network_names.hpp"
#include "vmm/qemu/machine.hpp"
#include "vmm/qemu/quote.hpp"
#include "vmm/virtiofsd.hpp"
#include "wire/api/size.hpp"

namespace vmline::vmm::qemu {
namespace {

using Arguments = std::vector<std::string>;

void append(Arguments& to, std::initializer_list<std::string> more) { to.insert(to.end(), more); }

/// RUN/NAME/LINE of RUN/NAME/LINE.out: the pipe chardev adds .in and .out itself.
std::string stem(const std::string& fifo) { return fifo.substr(0, fifo.size() - std::string_view(".out").size()); }

std::string chardev_of(const LineEndpoint& line) {
  const std::string id = chardev_id(line.name);
  switch (line.upstream) {
    case api::UpstreamKind::carried: return option("pipe", {{"id", id}, {"path", stem(line.output_fifo)}});
    case api::UpstreamKind::dial: return option("socket", {{"id", id}, {"path", line.socket_path}, {"server", "on"}, {"wait", "off"}});
    case api::UpstreamKind::listen: break;
  }
  return option("socket", {{"id", id}, {"path", line.socket_path}, {"server", "off"}});
}

void add_lines(Arguments& argv, Machine& machine, const Endpoints& endpoints) {
  bool first_console = true;
  for (const LineEndpoint& line : endpoints.lines) {
    const std::string id = chardev_id(line.name);
    append(argv, {"-chardev", chardev_of(line)});
    switch (device_of(line.name)) {
      case LineDevice::serial: append(argv, {"-serial", "chardev:" + id}); break;
      case LineDevice::console:
        if (first_console) append(argv, {"-device", machine.device("virtio-serial", {})});
        first_console = false;
        append(argv, {"-device", option("virtconsole", {{"chardev", id}})});
        break;
      case LineDevice::debug: append(argv, {"-device", option("isa-debugcon", {{"iobase", "0xe9"}, {"chardev", id}})}); break;
    }
  }
}

void add_disks(Arguments& argv, Machine& machine, const std::vector<api::Disk>& disks) {
  for (std::size_t i = 0; i < disks.size(); ++i) {
    const std::string id = fmt::format("disk{}", i);
    append(argv, {"-drive",
                  option("", {{"file", file_name(disks[i].path)},
                              {"if", "none"},
                              {"id", id},
                              {"format", disks[i].format},
                              {"readonly", disks[i].readonly ? "on" : "off"}}),
                  "-device", machine.device("virtio-blk", {{"drive", id}})});
  }
}

Result<> add_networks(Arguments& argv, Machine& machine, const api::Spec& spec, bool vhost) {
  TRY_ASSIGN(const std::vector<NetworkDevice> devices, network_devices(spec));
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const std::string id = fmt::format("net{}", i);
    std::string backend = option("tap", {{"id", id}, {"ifname", devices[i].tap}, {"script", "no"}, {"downscript", "no"}});
    if (vhost) backend += ",vhost=on";
    std::string device = machine.device("virtio-net", {{"netdev", id}, {"mac", devices[i].mac}});
    // The PCI device has a boot ROM, from a package of its own, that SeaBIOS would run at each boot.
    if (machine.kind() == Machine::Kind::q35) device += ",romfile=";
    append(argv, {"-netdev", backend, "-device", device});
  }
  return {};
}

void add_shares(Arguments& argv, Machine& machine, const std::vector<ShareDevice>& shares) {
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const std::string id = fmt::format("share{}", i);
    append(argv,
           {"-chardev", option("socket", {{"id", id}, {"path", shares[i].socket}}), "-device",
            machine.device("vhost-user-fs", {{"chardev", id}, {"tag", shares[i].tag}, {"queue-size", std::to_string(share_queue_size)}})});
  }
}

/// -m takes MiB where no unit stands, and B for bytes.
std::string memory_of(const api::Spec& spec) {
  std::string text = api::format_size(spec.memory);
  return text.back() >= '0' && text.back() <= '9' ? text + "B" : text;
}

Result<> check_serial_ports(const Machine& machine, const Endpoints& endpoints) {
  auto serials = std::ranges::count(endpoints.lines, LineDevice::serial, [](const LineEndpoint& line) { return device_of(line.name); });
  // With one more, QEMU goes on without a word and the line stays silent.
  if (serials <= machine.serial_ports()) return {};
  return fail(machine.kind() == Machine::Kind::q35
                  ? fmt::format("a PC has at most 4 serial ports, and {} are asked for", serials)
                  : fmt::format("microvm has one serial port, and {} are asked for: name the others console0, console1, …", serials),
              ErrorKind::usage);
}

}  // namespace

// An id must begin with a letter; a line's name need not.
std::string chardev_id(std::string_view line_name) { return "line-" + std::string(line_name); }

Result<Arguments> command_arguments(const api::Spec& spec, const Endpoints& endpoints, const Host& host, bool kvm) {
  TRY_ASSIGN(Machine machine, Machine::named(spec.machine));
  TRY(check_serial_ports(machine, endpoints));
  Arguments argv = {host.binary, "-no-user-config", "-nodefaults", "-name", quoted(spec.name)};
  append(argv, {"-machine", machine.option(kvm, !spec.shares.empty())});
  // What vhost-user needs; and without it, microvm's devices would be those of virtio 0.9.
  if (machine.kind() == Machine::Kind::microvm) append(argv, {"-global", "virtio-mmio.force-legacy=false"});
  append(argv, {"-cpu", "max", "-m", memory_of(spec), "-smp", std::to_string(spec.cpus)});
  if (!spec.shares.empty()) {
    // virtiofsd reads and writes the guest's memory itself.
    append(argv,
           {"-object", option("memory-backend-memfd", {{"id", "memory"}, {"size", fmt::format("{}B", spec.memory)}, {"share", "on"}})});
  }
  if (!spec.machine_id.empty()) append(argv, {"-uuid", spec.machine_id});
  append(argv, {"-display", "none", "-vga", "none", "-S"});
  append(argv, {"-chardev", option("pipe", {{"id", "qmp"}, {"path", stem(endpoints.control_out)}}), "-mon",
                option("", {{"chardev", "qmp"}, {"mode", "control"}})});
  add_lines(argv, machine, endpoints);
  if (!spec.firmware.empty()) append(argv, {"-bios", spec.firmware});
  if (!spec.kernel.empty()) append(argv, {"-kernel", spec.kernel, "-append", command_line_of(spec)});
  if (!spec.initramfs.empty()) append(argv, {"-initrd", spec.initramfs});
  add_disks(argv, machine, disks_of(spec, endpoints));
  TRY(add_networks(argv, machine, spec, kvm && host.vhost_net));
  add_shares(argv, machine, share_devices(spec, endpoints));
  TRY(machine.check_room());
  argv.insert(argv.end(), spec.monitor_args.begin(), spec.monitor_args.end());
  return argv;
}

}  // namespace vmline::vmm::qemu
