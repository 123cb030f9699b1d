// SPDX-License-Identifier: Apache-2.0
// How QEMU is started: with all of the VM on its command line, and every line and QMP itself on FIFOs.
#include <fcntl.h>

#include "vmm/acceleration.hpp"
#include "vmm/guest.hpp"
#include "vmm/network_names.hpp"
#include "vmm/process_place.hpp"
#include "vmm/qemu/arguments.hpp"
#include "vmm/qemu/qemu.hpp"
#include "vmm/version.hpp"
#include "vmm/virtiofsd.hpp"

namespace vmline::vmm::qemu {
namespace {

using Source = DescriptorAction::Source;

LinePlan plan_line(const api::Spec& spec, const LineEndpoint& endpoint) {
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
  line.no_typing = no_input_of(spec, endpoint.name);
  if (!line.no_typing.empty()) {
    line.typing = Typing::none;
    line.input_fifo.clear();
  }
  return line;
}

}  // namespace

Result<Plan> make_plan(const api::Spec& spec, const Endpoints& endpoints, const Host& host) {
  TRY(check_guest(spec));
  TRY(check_version(qemu_versions, host.version, host.environment));
  if (!spec.monitor_config.empty()) {
    return fail("monitor_config: QEMU takes no JSON of a VM: give its options in monitor_args", ErrorKind::usage);
  }
  TRY_ASSIGN(const Acceleration acceleration, choose_acceleration(spec.acceleration, host));
  TRY_ASSIGN(std::vector<std::string> argv, command_arguments(spec, endpoints, host, acceleration.kvm));
  Plan plan;
  plan.acceleration = acceleration.kvm ? "kvm" : "tcg";
  if (!acceleration.warning.empty()) plan.warnings.push_back(acceleration.warning);
  if (spec.machine == "microvm" && !acceleration.kvm) {
    plan.warnings.emplace_back(
        "microvm without KVM: a Linux kernel finds no clock there and stops early, unless its cmdline says tsc_early_khz=2500000 or so; "
        "q35 has one");
  }
  plan.control_out = endpoints.control_out;
  plan.control_in = endpoints.control_in;
  plan.fifos = {{endpoints.control_out, true}, {endpoints.control_in, true}};
  for (const LineEndpoint& endpoint : endpoints.lines) {
    plan.lines.push_back(plan_line(spec, endpoint));
    if (endpoint.upstream != api::UpstreamKind::carried) continue;
    // The input FIFO too where nobody types: without both, the pipe chardev would open LINE itself.
    plan.fifos.push_back({endpoint.output_fifo, false});
    plan.fifos.push_back({endpoint.input_fifo, false});
  }
  TRY_ASSIGN(plan.taps, plan_taps(spec));
  TRY(plan_shares(plan, spec, endpoints, host));
  const int append_only = O_WRONLY | O_CREAT | O_APPEND;
  Process monitor{.name = "monitor",
                  .argv = std::move(argv),
                  .environment = host.environment,
                  .descriptors = {{Source::null, 0, "", 0},
                                  {Source::path, 1, endpoints.monitor_log, append_only},
                                  {Source::path, 2, endpoints.monitor_log, append_only}}};
  put_in_place(monitor, spec);
  plan.processes.push_back(std::move(monitor));
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
