// SPDX-License-Identifier: Apache-2.0
// How Firecracker is started: bare, with the path of its API socket, its log kept off the line; the VM comes over the API.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "vmm/acceleration.hpp"
#include "vmm/disks.hpp"
#include "vmm/firecracker/firecracker.hpp"
#include "vmm/firecracker/requests.hpp"
#include "vmm/guest.hpp"
#include "vmm/network_names.hpp"
#include "vmm/process_place.hpp"

namespace vmline::vmm::firecracker {
namespace {

using Source = DescriptorAction::Source;

Result<> check_line(const Endpoints& endpoints) {
  const LineEndpoint& line = endpoints.lines.at(0);
  if (endpoints.lines.size() > 1) {
    return fail(fmt::format("firecracker has one serial port: lines {} and {} would be the same", line.name, endpoints.lines[1].name),
                ErrorKind::usage);
  }
  if (device_of(line.name) != LineDevice::serial) {
    return fail(fmt::format("line {}: firecracker has one serial port, no console and no debug port: name it serial0", line.name),
                ErrorKind::usage);
  }
  if (line.upstream != api::UpstreamKind::carried) {
    return fail(fmt::format("line {}: firecracker has no socket for its serial port: use carried", line.name), ErrorKind::usage);
  }
  return {};
}

Result<> check_spec(const api::Spec& spec) {
  TRY(check_guest(spec));
  if (!spec.firmware.empty()) return fail("firecracker boots a kernel, not a firmware", ErrorKind::usage);
  if (spec.kernel.empty()) return fail("firecracker boots a kernel, a disk alone does not do", ErrorKind::usage);
  if (!spec.shares.empty()) {
    return fail(fmt::format("share {}: firecracker has no virtio-fs: use cloud-hypervisor or qemu", spec.shares[0].tag), ErrorKind::usage);
  }
  if (spec.uid || spec.gid) {
    return fail("uid and gid: firecracker binds its API socket in vmline's own folder, and so runs as the user who runs vmline",
                ErrorKind::usage);
  }
  if (spec.memory % (1u << 20) != 0) {
    return fail(fmt::format("memory {}: firecracker takes whole MiB", spec.memory), ErrorKind::usage);
  }
  for (const api::Disk& disk : disks_of(spec, {})) {
    if (disk.format != "raw") {
      return fail(fmt::format("disk {}: firecracker takes raw images, not {}", disk.path, disk.format), ErrorKind::usage);
    }
  }
  return {};
}

/// What is ours to say, or makes it print on its stdout, which is the line, and leave.
Result<> check_arguments(const std::vector<std::string>& arguments) {
  constexpr std::array<std::string_view, 11> refused = {
      "--api-sock", "--id",    "--log-path", "--no-api",           "--config-file",      "--help",
      "-h",         "--level", "--version",  "--snapshot-version", "--describe-snapshot"};
  for (const std::string& argument : arguments) {
    std::string_view name = std::string_view(argument).substr(0, argument.find('='));
    if (std::ranges::find(refused, name) == refused.end()) continue;
    return fail(fmt::format("monitor_args {}: vmline says that itself, or it makes firecracker write on the line and leave", name),
                ErrorKind::usage);
  }
  return {};
}

/// What it takes as an id (letters, digits, -; 64 bytes), and puts in each line of its log.
std::string id_of(std::string_view name) {
  std::string out(name.substr(0, 64));
  for (char& c : out) {
    bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!fits) c = '-';
  }
  return out;
}

}  // namespace

Result<Plan> make_plan(const api::Spec& spec, const Endpoints& endpoints, const Host& host) {
  TRY(check_spec(spec));
  TRY(check_arguments(spec.monitor_args));
  TRY(check_line(endpoints));
  TRY(config_requests(spec, endpoints));
  TRY_ASSIGN(const Acceleration acceleration, require_kvm(spec.acceleration, host, "firecracker"));
  TRY_ASSIGN(const std::string vsock, vsock_path(spec));

  Plan plan;
  plan.acceleration = "kvm";
  plan.end_is_reboot = true;
  if (!acceleration.warning.empty()) plan.warnings.push_back(acceleration.warning);
  plan.bound_by_monitor.push_back(endpoints.api_socket);
  if (!vsock.empty()) plan.bound_by_monitor.push_back(vsock);
  const LineEndpoint& line = endpoints.lines[0];
  plan.fifos = {{line.output_fifo, false}, {line.input_fifo, false}};
  plan.lines.push_back({.name = line.name, .output_fifo = line.output_fifo, .input_fifo = line.input_fifo});

  TRY_ASSIGN(plan.taps, plan_taps(spec));

  Process monitor{.name = "monitor", .environment = host.environment};
  put_in_place(monitor, spec);
  // Without --log-path its log goes to stdout, between the guest's bytes.
  monitor.argv = {host.binary, "--api-sock", endpoints.api_socket, "--id", id_of(spec.name), "--log-path", endpoints.monitor_log,
                  "--level",   "Warning"};
  monitor.argv.insert(monitor.argv.end(), spec.monitor_args.begin(), spec.monitor_args.end());
  // FIFOs read-write, by an open of its own: it sets its stdout O_NONBLOCK, and never sees us come and go. It reads a stdin that is a FIFO
  // or a terminal. What a full FIFO of 1 MiB does not take is lost, and counted in its metrics only: it waits for nobody. The log is
  // emptied: Firecracker writes it from the beginning, over what an earlier one has said.
  monitor.descriptors = {{Source::path, 0, line.input_fifo, O_RDWR},
                         {Source::path, 1, line.output_fifo, O_RDWR},
                         {Source::path, 2, endpoints.monitor_log, O_WRONLY | O_CREAT | O_APPEND | O_TRUNC}};
  plan.processes.push_back(std::move(monitor));
  return plan;
}

std::vector<StopStep> make_stop_steps(const api::Spec& spec) {
  using Action = StopStep::Action;
  return {{"power-button", Action::power_button, spec.stop.guest},
          {"SIGTERM", Action::terminate, spec.stop.term},
          {"SIGKILL", Action::kill, spec.stop.term}};
}

}  // namespace vmline::vmm::firecracker
