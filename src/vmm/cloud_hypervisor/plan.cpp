// SPDX-License-Identifier: Apache-2.0
// How Cloud Hypervisor is started: bare, with its API socket, its event monitor and a line's descriptors; the VM comes over the API.
#include <fcntl.h>

#include <boost/json.hpp>

#include "vmm/acceleration.hpp"
#include "vmm/cloud_hypervisor/cloud_hypervisor.hpp"
#include "vmm/cloud_hypervisor/lines.hpp"
#include "vmm/cloud_hypervisor/vm_config.hpp"
#include "vmm/disks.hpp"
#include "vmm/guest.hpp"
#include "vmm/network_names.hpp"
#include "vmm/process_place.hpp"
#include "vmm/version.hpp"
#include "vmm/virtiofsd.hpp"

namespace vmline::vmm::cloud_hypervisor {
namespace {

using Source = DescriptorAction::Source;

// High, so that they are out of the way of what the monitor opens itself.
constexpr int api_descriptor = 1000;
constexpr int terminal_descriptor = 1001;
constexpr int event_descriptor = 1002;
constexpr int file_descriptor = 1003;  ///< and up: one for each line of mode File

constexpr Version first_with_image_type{52, 0};

LinePlan plan_line(const api::Spec& spec, const LineEndpoint& endpoint, const LineMode& mode) {
  LinePlan line{.name = endpoint.name, .upstream = endpoint.upstream};
  switch (mode.mode) {
    case LineMode::Mode::tty:
      line.output_fifo = endpoint.output_fifo;
      line.typing = Typing::terminal;
      break;
    case LineMode::Mode::file:
      line.output_fifo = endpoint.output_fifo;
      line.typing = Typing::none;
      line.no_typing = no_input_of(spec, endpoint.name);
      if (line.no_typing.empty()) line.no_typing = "cloud-hypervisor reads one line only from its stdin, and that is another one";
      break;
    case LineMode::Mode::socket:
      line.no_typing = no_input_of(spec, endpoint.name);
      line.typing = line.no_typing.empty() ? Typing::socket : Typing::none;
      line.socket_path = mode.path;
      line.monitor_binds = true;
      break;
  }
  return line;
}

/// The process, with the descriptors of its lines; adds to the plan what these need.
Process plan_monitor(Plan& plan, const api::Spec& spec, const Endpoints& endpoints, const std::vector<LineMode>& modes, const Host& host) {
  Process monitor{.name = "monitor", .environment = host.environment};
  put_in_place(monitor, spec);
  monitor.argv = {host.binary, "--api-socket", "fd=" + std::to_string(api_descriptor), "--event-monitor",
                  "fd=" + std::to_string(event_descriptor)};
  monitor.argv.insert(monitor.argv.end(), spec.monitor_args.begin(), spec.monitor_args.end());
  DescriptorAction input{.source = Source::null, .target = 0};
  DescriptorAction output{Source::path, 1, endpoints.monitor_log, O_WRONLY | O_CREAT | O_APPEND};
  DescriptorAction errors{Source::path, 2, endpoints.monitor_log, O_WRONLY | O_CREAT | O_APPEND};
  std::vector<DescriptorAction> more;
  int next = file_descriptor;
  for (std::size_t i = 0; i < modes.size(); ++i) {
    plan.lines.push_back(plan_line(spec, endpoints.lines[i], modes[i]));
    const LinePlan& line = plan.lines.back();
    if (!line.output_fifo.empty()) plan.fifos.push_back({line.output_fifo, false});
    // Every FIFO read-write: the guest's output waits in it while nobody of ours is there, instead of an EPIPE. What Cloud Hypervisor opens
    // itself, by mode File, it opens for writing alone: so it inherits one more.
    if (modes[i].mode == LineMode::Mode::file) more.push_back({Source::path, next++, line.output_fifo, O_RDWR});
    if (line.typing != Typing::terminal) continue;
    std::string held = "pty:" + line.name;
    plan.terminals.push_back({line.name, held, terminal_descriptor});
    input = {Source::pty_slave, 0, held, 0};
    output = {Source::path, 1, line.output_fifo, O_RDWR};
    monitor.allow_ptrace = true;
  }
  monitor.descriptors = {input, output, errors, {Source::held, api_descriptor, "api", 0}};
  for (const Terminal& terminal : plan.terminals) monitor.descriptors.push_back({Source::held, terminal.inherited, terminal.held, 0});
  monitor.descriptors.push_back({Source::path, event_descriptor, endpoints.control_out, O_RDWR});
  monitor.descriptors.insert(monitor.descriptors.end(), more.begin(), more.end());
  return monitor;
}

/// Older ones (46.0 for one) know no image_type and look at a disk's first bytes instead, at each boot.
void warn_of_guesses(Plan& plan, const api::Spec& spec, const Endpoints& endpoints, const Host& host) {
  auto version = version_of(host.version);
  if (!version || *version >= first_with_image_type) return;
  for (const api::Disk& disk : disks_of(spec, endpoints)) {
    if (disk.readonly || disk.format != "raw") continue;
    plan.warnings.push_back("cloud-hypervisor " + host.version + " guesses what a disk is: a guest that writes an image's header onto " +
                            disk.path + " has it read as that image after its reboot");
  }
}

}  // namespace

Result<Plan> make_plan(const api::Spec& spec, const Endpoints& endpoints, const Host& host) {
  TRY(check_guest(spec));
  TRY(check_version(cloud_hypervisor_versions, host.version, host.environment));
  if (spec.kernel.empty() && spec.firmware.empty()) {
    return fail("cloud-hypervisor boots a kernel or a firmware, a disk alone does not do", ErrorKind::usage);
  }
  TRY_ASSIGN(const Acceleration acceleration, require_kvm(spec.acceleration, host, "cloud-hypervisor"));
  TRY_ASSIGN(const std::vector<LineMode> modes, choose_modes(spec, endpoints));
  // What the monitor will be asked for once it runs, made now: its errors are the plan's.
  TRY(vm_config(spec, endpoints));

  Plan plan;
  plan.acceleration = "kvm";
  if (!acceleration.warning.empty()) plan.warnings.push_back(acceleration.warning);
  plan.control_out = endpoints.control_out;
  plan.fifos.push_back({endpoints.control_out, true});
  plan.listeners.push_back({"api", endpoints.api_socket});
  TRY_ASSIGN(plan.taps, plan_taps(spec));
  TRY(plan_shares(plan, spec, endpoints, host));
  warn_of_guesses(plan, spec, endpoints, host);
  plan.processes.push_back(plan_monitor(plan, spec, endpoints, modes, host));
  return plan;
}

std::vector<StopStep> make_stop_steps(const api::Spec& spec) {
  using Action = StopStep::Action;
  return {{"power-button", Action::power_button, spec.stop.guest},
          {"vmm.shutdown", Action::quit, spec.stop.monitor},
          {"SIGTERM", Action::terminate, spec.stop.term},
          {"SIGKILL", Action::kill, spec.stop.term}};
}

}  // namespace vmline::vmm::cloud_hypervisor
