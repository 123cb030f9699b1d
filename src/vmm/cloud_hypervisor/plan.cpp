// SPDX-License-Identifier: Apache-2.0
// How Cloud Hypervisor is started: bare, with its API socket, its event monitor and a line's descriptors; the VM comes over the API.
#include <fcntl.h>

#include "vmm/acceleration.hpp"
#include "vmm/cloud_hypervisor/cloud_hypervisor.hpp"
#include "vmm/cloud_hypervisor/lines.hpp"
#include "vmm/guest.hpp"

namespace vmline::vmm::cloud_hypervisor {
namespace {

using Source = DescriptorAction::Source;

// High, so that they are out of the way of what the monitor opens itself.
constexpr int api_descriptor = 1000;
constexpr int terminal_descriptor = 1001;
constexpr int event_descriptor = 1002;

LinePlan plan_line(const LineEndpoint& endpoint, const LineMode& mode) {
  LinePlan line{.name = endpoint.name, .upstream = endpoint.upstream};
  switch (mode.mode) {
    case LineMode::Mode::tty:
      line.output_fifo = endpoint.output_fifo;
      line.typing = Typing::terminal;
      break;
    case LineMode::Mode::file:
      line.output_fifo = endpoint.output_fifo;
      line.typing = Typing::none;
      line.no_typing = mode.device == LineDevice::debug ? "the debug port has no input"
                                                        : "cloud-hypervisor reads one line only from its stdin, and that is another one";
      break;
    case LineMode::Mode::socket:
      line.typing = Typing::socket;
      line.socket_path = mode.path;
      line.monitor_binds = true;
      break;
  }
  return line;
}

}  // namespace

Result<Plan> make_plan(const api::Spec& spec, const Endpoints& endpoints, const Host& host) {
  TRY(check_guest(spec));
  if (spec.kernel.empty() && spec.firmware.empty()) {
    return fail("cloud-hypervisor boots a kernel or a firmware, a disk alone does not do", ErrorKind::usage);
  }
  TRY_ASSIGN(const Acceleration acceleration, require_kvm(spec.acceleration, host, "cloud-hypervisor"));
  TRY_ASSIGN(const std::vector<LineMode> modes, choose_modes(endpoints));

  Plan plan;
  plan.acceleration = "kvm";
  if (!acceleration.warning.empty()) plan.warnings.push_back(acceleration.warning);
  plan.control_out = endpoints.control_out;
  plan.fifos.push_back({endpoints.control_out, true});
  plan.listeners.push_back({"api", endpoints.api_socket});

  Process monitor{.name = "monitor", .environment = host.environment, .directory = spec.directory.empty() ? "/" : spec.directory};
  monitor.argv = {host.binary, "--api-socket", "fd=" + std::to_string(api_descriptor), "--event-monitor",
                  "fd=" + std::to_string(event_descriptor)};
  monitor.argv.insert(monitor.argv.end(), spec.monitor_args.begin(), spec.monitor_args.end());
  DescriptorAction input{.source = Source::null, .target = 0};
  DescriptorAction output{Source::path, 1, endpoints.monitor_log, O_WRONLY | O_CREAT | O_APPEND};
  DescriptorAction errors{Source::path, 2, endpoints.monitor_log, O_WRONLY | O_CREAT | O_APPEND};
  for (std::size_t i = 0; i < modes.size(); ++i) {
    plan.lines.push_back(plan_line(endpoints.lines[i], modes[i]));
    const LinePlan& line = plan.lines.back();
    if (!line.output_fifo.empty()) plan.fifos.push_back({line.output_fifo, false});
    if (line.typing != Typing::terminal) continue;
    std::string held = "pty:" + line.name;
    plan.terminals.push_back({line.name, held, terminal_descriptor});
    input = {Source::pty_slave, 0, held, 0};
    // Read-write: the guest's output waits in the FIFO while nobody of ours is there, instead of an EPIPE.
    output = {Source::path, 1, line.output_fifo, O_RDWR};
    monitor.allow_ptrace = true;
  }
  monitor.descriptors = {input, output, errors, {Source::held, api_descriptor, "api", 0}};
  for (const Terminal& terminal : plan.terminals) monitor.descriptors.push_back({Source::held, terminal.inherited, terminal.held, 0});
  monitor.descriptors.push_back({Source::path, event_descriptor, endpoints.control_out, O_RDWR});
  plan.processes.push_back(std::move(monitor));
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
