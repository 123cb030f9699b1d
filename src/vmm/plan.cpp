// SPDX-License-Identifier: Apache-2.0
// The names of one VM's files; see plan.hpp.
#include "vmm/plan.hpp"

namespace vmline::vmm {

Endpoints endpoints_of(const api::Spec& spec, const std::string& run_dir, const std::string& monitor_log) {
  Endpoints out;
  out.run_dir = run_dir;
  for (const api::LineSpec& line : spec.lines) {
    std::string base = run_dir + "/" + line.name;
    out.lines.push_back({line.name, line.upstream, base + ".out", base + ".in", line.path.empty() ? base + ".upstream" : line.path});
  }
  if (spec.driver == api::DriverKind::cloud_hypervisor) {
    out.api_socket = run_dir + "/api.sock";
    out.control_out = run_dir + "/events.out";
  } else if (spec.driver == api::DriverKind::qemu) {
    out.control_out = run_dir + "/qmp.out";
    out.control_in = run_dir + "/qmp.in";
  } else if (spec.driver == api::DriverKind::firecracker) {
    out.api_socket = run_dir + "/api.sock";
  }
  out.monitor_log = monitor_log;
  // Another user than ours comes to RUN/NAME alone.
  std::string folder = spec.uid || spec.gid ? run_dir + "/" : monitor_log.substr(0, monitor_log.rfind('/') + 1);
  out.seed = spec.cloud_init ? folder + "seed.iso" : spec.seed;
  return out;
}

}  // namespace vmline::vmm
