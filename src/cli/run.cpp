// SPDX-License-Identifier: Apache-2.0
// `vmline run`, `keep` and `start`: launches a VM and says where its line is, or stays with it.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/fields.hpp"
#include "cli/foreground.hpp"
#include "cli/launch.hpp"
#include "cli/output.hpp"
#include "cli/stop.hpp"
#include "cli/stop_on_signal.hpp"

namespace vmline::cli {
namespace {

/// A signal gives the start up. One that comes when all is done already stops a VM that was to stay in the foreground.
template <class Launch>
Result<Launched> until_stopped(const Context& context, const std::string& name, bool foreground, Launch launch) {
  TRY_ASSIGN(StopOnSignal signals, StopOnSignal::create());
  TRY_ASSIGN(Launched launched, launch(signals.token()));
  if (foreground && signals.token().stop_requested()) {
    TRY(end_vm(context, name, Ending::stop, {}, nullptr));
    return fail(name + ": given up");
  }
  return launched;
}

Result<int> tell(const Context& context, const std::string& name, const Launched& launched, const LaunchOptions& options) {
  if (options.foreground) return stay(context, name, launched);
  if (options.format == Format::json) {
    print_json(launched.vm);
    return 0;
  }
  if (text_field(launched.vm, "state") == "failed")
    return fail(fmt::format("{} failed: {}; what it said is in `vmline logs {}`", name, text_field(launched.vm, "reason"), name));
  std::vector<json::object> lines = objects_field(launched.vm, "lines");
  print(fmt::format("{} {} {}\n", name, text_field(launched.vm, "state"), lines.empty() ? "" : text_field(lines.front(), "socket")));
  for (const json::value& warning : array_field(launched.vm, "warnings")) {
    if (warning.is_string()) complain(fmt::format("{}: {}", name, std::string_view(warning.get_string())));
  }
  return 0;
}

}  // namespace

Result<int> run(const Context& context, const api::Spec& spec, const LaunchOptions& options) {
  TRY_ASSIGN(Launched launched, until_stopped(context, spec.name, options.foreground,
                                              [&](const std::stop_token& stop) { return launch(context.finder, spec, stop); }));
  return tell(context, spec.name, launched, options);
}

Result<int> start(const Context& context, const VmOptions& options, bool foreground) {
  TRY_ASSIGN(Launched launched, until_stopped(context, options.name, foreground, [&](const std::stop_token& stop) {
               return launch_again(context.finder, options.name, stop);
             }));
  return tell(context, options.name, launched, {foreground, options.format});
}

}  // namespace vmline::cli
