// SPDX-License-Identifier: Apache-2.0
// `vmline run`, `keep` and `start`: launches a VM and says where its line is, or stays with it.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/fields.hpp"
#include "cli/foreground.hpp"
#include "cli/launch.hpp"
#include "cli/output.hpp"

namespace vmline::cli {
namespace {

Result<int> tell(const Context& context, const std::string& name, const Launched& launched, const LaunchOptions& options) {
  if (options.foreground) return stay(context, name, launched);
  if (options.format == Format::json) {
    print_json(launched.vm);
    return 0;
  }
  std::vector<json::object> lines = objects_field(launched.vm, "lines");
  print(fmt::format("{} {} {}\n", name, text_field(launched.vm, "state"), lines.empty() ? "" : text_field(lines.front(), "socket")));
  for (const json::value& warning : array_field(launched.vm, "warnings")) {
    if (warning.is_string()) complain(fmt::format("{}: {}", name, std::string_view(warning.get_string())));
  }
  return 0;
}

}  // namespace

Result<int> run(const Context& context, const api::Spec& spec, const LaunchOptions& options) {
  TRY_ASSIGN(Launched launched, launch(context.finder, spec));
  return tell(context, spec.name, launched, options);
}

Result<int> start(const Context& context, const VmOptions& options, bool foreground) {
  TRY_ASSIGN(Launched launched, launch_again(context.finder, options.name));
  return tell(context, options.name, launched, {foreground, options.format});
}

}  // namespace vmline::cli
