// SPDX-License-Identifier: Apache-2.0
// `vmline ps`: every VM there is, one line each. Those whose holder and keeper are gone are brought back by being looked at.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/fields.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"

namespace vmline::cli {
namespace {

/// What a user should know of a line beyond its numbers.
void note_line(const json::object& line, std::vector<std::string>& notes) {
  std::string name = text_field(line, "name");
  std::string upstream = text_field(object_field(line, "upstream"), "state");
  std::string journal = text_field(object_field(line, "journal"), "state");
  if (upstream == "waiting") notes.push_back(name + " waits for its monitor");
  if (journal == "behind") notes.push_back(name + "'s log is behind");
  if (journal == "failing") notes.push_back(fmt::format("{}'s log fails: {}", name, text_field(object_field(line, "journal"), "error")));
}

std::vector<std::string> row(const json::object& vm, bool running) {
  std::vector<json::object> lines = objects_field(vm, "lines");
  std::vector<std::string> heads, notes;
  std::uint64_t gap_bytes = 0, gaps = 0, clients = 0;
  if (std::string reason = text_field(vm, "reason"); !reason.empty()) notes.push_back(reason);
  for (const json::object& line : lines) {
    heads.push_back(fmt::format("{}:{}", text_field(line, "name"), short_size(number_field(line, "head"))));
    gaps += number_field(line, "gaps");
    gap_bytes += number_field(line, "gap_bytes");
    json::object attached = object_field(line, "clients");
    clients += number_field(attached, "raw") + number_field(attached, "api");
    if (running) note_line(line, notes);
  }
  std::uint64_t pid = number_field(object_field(vm, "monitor"), "pid");
  std::uint64_t boot = number_field(vm, "boot");
  std::string since = age(text_field(vm, "since"));
  return {text_field(vm, "name"),
          text_field(vm, "state"),
          since.empty() ? "-" : since,
          boot ? std::to_string(boot) : "-",
          running && pid ? std::to_string(pid) : "-",
          heads.empty() ? "-" : fmt::format("{}", fmt::join(heads, " ")),
          gaps ? short_size(gap_bytes) : "-",
          running ? std::to_string(clients) : "-",
          fmt::format("{}", fmt::join(notes, "; "))};
}

}  // namespace

Result<int> list(const Context& context, const ListOptions& options) {
  TRY_ASSIGN(std::vector<std::string> names, context.places.names());
  if (options.names_only) {
    for (const std::string& name : names) print(name + "\n");
    return 0;
  }
  Table table({"NAME", "STATE", "SINCE", "BOOT", "MONITOR", "LINES", "GAPS", "CLIENTS", "NOTE"});
  json::array vms;
  int code = 0;
  for (const std::string& name : names) {
    auto found = context.finder.find(name);
    if (!found) {
      if (found.error().kind() == ErrorKind::not_found) continue;  // removed meanwhile
      // One that cannot be looked at hides none of the others.
      vms.push_back(json::object{{"name", name}, {"state", "unknown"}, {"reason", found.error().sentence()}});
      table.add({name, "unknown", "-", "-", "-", "-", "-", "-", found.error().sentence()});
      code = 1;
      continue;
    }
    table.add(row(found->vm, found->running()));
    vms.push_back(std::move(found->vm));
  }
  if (options.format == Format::json)
    print_json(vms);
  else
    print(table.text());
  return code;
}

}  // namespace vmline::cli
