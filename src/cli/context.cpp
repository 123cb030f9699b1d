// SPDX-License-Identifier: Apache-2.0
// What every command is given; see context.hpp.
#include "cli/context.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/fields.hpp"
#include "cli/output.hpp"
#include "wire/api/spec_json.hpp"

namespace vmline::cli {
namespace {

/// Progress is for people who wait, so for a terminal only.
StartReport::Progress show_progress() {
  if (!::isatty(STDERR_FILENO)) return [](std::string_view) {};
  return [style = style_of(STDERR_FILENO)](std::string_view text) { fmt::print(stderr, "{}\n", dim(text, style)); };
}

}  // namespace

Context::Context(os::Places the_places) : places(std::move(the_places)), finder(places, show_progress()) {}

Result<LineName> LineName::parse(std::string_view text) {
  LineName name;
  std::size_t slash = text.find('/');
  name.vm = text.substr(0, slash);
  if (slash != std::string_view::npos) {
    name.line = text.substr(slash + 1);
    if (!api::is_line_name(name.line))
      return fail(fmt::format("'{}' is no line's name; give NAME or NAME/LINE, as in web1/serial0", name.line), ErrorKind::usage);
  }
  return name;
}

std::string line_of(const LineName& name, const json::object& vm) {
  if (!name.line.empty()) return name.line;
  std::vector<json::object> lines = objects_field(vm, "lines");
  return lines.empty() ? "serial0" : text_field(lines.front(), "name");
}

}  // namespace vmline::cli
