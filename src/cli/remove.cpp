// SPDX-License-Identifier: Apache-2.0
// `vmline rm`: removes a stopped VM with its spec and its history.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/fields.hpp"
#include "cli/launch.hpp"
#include "cli/output.hpp"
#include "cli/stop.hpp"
#include "os/files.hpp"

namespace vmline::cli {

Result<int> remove(const Context& context, const RemoveOptions& options) {
  const std::string& name = options.name;
  TRY(context.finder.check_exists(name));
  TRY_ASSIGN(os::CommandLock lock, context.finder.lock(name));
  TRY_ASSIGN(FoundVm found, context.finder.find(name, &lock));
  if (found.running()) {
    if (!options.force) {
      return fail(fmt::format("{} is {}; stop it first, or use --force, which stops it", name, text_field(found.vm, "state")),
                  ErrorKind::conflict);
    }
    TRY(end_vm(context, name, Ending::stop, {}, &lock));
  }
  std::string folder = context.places.vm_dir(name);
  json::array kept;
  for (const json::object& line : objects_field(found.vm, "lines")) {
    std::string log = text_field(line, "log");
    if (!log.empty() && !log.starts_with(folder + "/")) kept.emplace_back(log);
  }
  TRY(clear_run(context.places, name));
  TRY(os::remove_tree(folder));
  lock.remove();
  if (options.format == Format::json) {
    print_json(json::object{{"name", name}, {"removed", true}, {"logs_kept", std::move(kept)}});
    return 0;
  }
  print(fmt::format("{} is removed, and its history with it\n", name));
  for (const json::value& log : kept) print(fmt::format("its log outside vmline stays: {}\n", std::string_view(log.get_string())));
  return 0;
}

}  // namespace vmline::cli
