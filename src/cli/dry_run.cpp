// SPDX-License-Identifier: Apache-2.0
// `vmline run --dry-run`: the plan of a VM, printed. Makes nothing; starts nothing, but a monitor to ask for its version.
#include <unistd.h>

#include <boost/json/serialize.hpp>

#include "base/limits.hpp"
#include "cli/commands.hpp"
#include "cli/machine_id.hpp"
#include "cli/output.hpp"
#include "cli/plan_view.hpp"
#include "os/environment.hpp"
#include "os/files.hpp"
#include "os/unix_socket.hpp"
#include "vmm/host.hpp"
#include "wire/api/spec_checks.hpp"
#include "wire/api/spec_json.hpp"

namespace vmline::cli {

Result<int> dry_run(const Context& context, const api::Spec& given, Format format) {
  PlanView view;
  TRY_ASSIGN(view.spec, api::checked_spec(given));
  api::Spec& spec = view.spec;
  const std::string folder = context.places.vm_dir(spec.name);
  if (auto stored = os::read_file(folder + "/spec.json", limits::spec_file)) {
    auto before = api::parse_spec(*stored);
    if (before && spec.machine_id.empty() && api::is_for("machine_id", spec.driver)) spec.machine_id = before->machine_id;
  }
  if (spec.machine_id.empty() && api::is_for("machine_id", spec.driver))
    view.notes.emplace_back(
        "the machine id is made at the first start, and so are names made from it: the guest's UUID, TAPs without a name");
  TRY(os::check_socket_path(context.places.control_socket(spec.name)));
  view.endpoints = vmm::endpoints_of(spec, context.places.run_dir(spec.name), folder + "/monitor.log");
  TRY_ASSIGN(view.plan, vmm::make_plan(spec, view.endpoints, os::environment()));
  TRY_ASSIGN(view.requests, vmm::make_driver(spec.driver)->requests(spec, view.endpoints));
  if (format == Format::json)
    print_json(plan_json(view));
  else
    print(plan_text(view));
  return 0;
}

}  // namespace vmline::cli
