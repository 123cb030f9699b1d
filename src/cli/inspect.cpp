// SPDX-License-Identifier: Apache-2.0
// `vmline inspect`: everything that is known of one VM, for people or as JSON.
#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "base/limits.hpp"
#include "cli/commands.hpp"
#include "cli/fields.hpp"
#include "cli/output.hpp"
#include "os/files.hpp"
#include "wire/api/json_reader.hpp"

namespace vmline::cli {
namespace {

/// "label  text" with the texts below each other.
std::string entry(std::string_view label, std::string_view text) { return fmt::format("{:<9} {}\n", label, text); }

std::string describe_process(const json::object& process) {
  std::string version = text_field(process, "version");
  std::uint64_t restarts = number_field(process, "restarts");
  return fmt::format("pid {}{}{}{}", number_field(process, "pid"), version.empty() ? "" : ", version ", version,
                     restarts == 0   ? ""
                     : restarts == 1 ? ", restarted once"
                                     : fmt::format(", restarted {} times", restarts));
}

std::string describe_line(const json::object& line, bool running) {
  std::string text =
      entry(text_field(line, "name"), fmt::format("{} bytes so far, kept from offset {}, in the log up to {}", number_field(line, "head"),
                                                  number_field(line, "low"), number_field(line, "journaled")));
  if (std::uint64_t gaps = number_field(line, "gaps"))
    text += entry("", fmt::format("{} bytes lost in {} gaps", number_field(line, "gap_bytes"), gaps));
  json::object journal = object_field(line, "journal");
  std::string error = text_field(journal, "error");
  text +=
      entry("", fmt::format("log {} ({}{}{})", text_field(line, "log"), text_field(journal, "state"), error.empty() ? "" : ": ", error));
  if (!running) return text;
  text += entry("", fmt::format("socket {}", text_field(line, "socket")));
  json::object upstream = object_field(line, "upstream");
  json::object clients = object_field(line, "clients");
  text += entry("", fmt::format("upstream {}, {}; spool {}, pipe {}", text_field(upstream, "kind"), text_field(upstream, "state"),
                                short_size(number_field(line, "spool")), short_size(number_field(line, "pipe"))));
  std::string writer = text_field(line, "writer");
  text += entry("", fmt::format("clients {} raw, {} api; writer {}", number_field(clients, "raw"), number_field(clients, "api"),
                                writer.empty() ? "nobody" : writer));
  json::object typing = object_field(line, "typing");
  if (!typing.empty() && !flag_field(typing, "works"))
    text += entry("", fmt::format("typing does not work: {}", text_field(typing, "reason")));
  return text;
}

std::string describe(const json::object& vm, const json::object& spec, bool running) {
  std::string reason = text_field(vm, "reason");
  std::string since = text_field(vm, "since");
  std::string state = text_field(vm, "state");
  if (!reason.empty()) state += fmt::format(" ({})", reason);
  if (!since.empty()) state += fmt::format(" since {}, {} ago", since, age(since));
  std::string text = entry("name", text_field(vm, "name")) + entry("state", state);
  if (std::uint64_t boot = number_field(vm, "boot")) text += entry("boot", std::to_string(boot));
  text += entry("driver", text_field(vm, "driver"));
  json::object monitor = object_field(vm, "monitor");
  std::uint64_t signal = number_field(monitor, "signal");
  std::string ended =
      signal ? fmt::format("ended by signal {}", signal) : fmt::format("ended with exit status {}", number_field(monitor, "exit_status"));
  std::string binary = text_field(monitor, "binary");
  if (running && number_field(monitor, "pid")) text += entry("monitor", fmt::format("pid {}, {}", number_field(monitor, "pid"), binary));
  if (!running && !binary.empty()) text += entry("monitor", fmt::format("{}, {}", binary, ended));
  for (const json::value& line : array_field(monitor, "log_tail")) {
    if (line.is_string()) text += entry("", fmt::format("said: {}", std::string_view(line.get_string())));
  }
  if (running)
    text += entry("keeper", describe_process(object_field(vm, "keeper"))) + entry("holder", describe_process(object_field(vm, "holder")));
  for (const json::object& line : objects_field(vm, "lines")) text += describe_line(line, running);
  if (running) text += entry("control", text_field(object_field(vm, "paths"), "control"));
  for (const json::value& warning : array_field(vm, "warnings")) {
    if (warning.is_string()) text += entry("warning", std::string_view(warning.get_string()));
  }
  return text + entry("spec", json::serialize(spec));
}

}  // namespace

Result<int> inspect(const Context& context, const VmOptions& options) {
  TRY_ASSIGN(FoundVm found, context.finder.find(options.name));
  json::object spec;
  if (auto text = os::read_file(context.places.vm_dir(options.name) + "/spec.json", limits::spec_file)) {
    auto parsed = api::parse_json(*text, limits::spec_file);
    if (parsed && parsed->is_object()) spec = std::move(parsed->get_object());
  }
  if (options.format == Format::json) {
    found.vm["spec"] = std::move(spec);
    print_json(found.vm);
  } else {
    print(describe(found.vm, spec, found.running()));
  }
  return 0;
}

}  // namespace vmline::cli
