// SPDX-License-Identifier: Apache-2.0
// The table of routes; see control_routes.hpp.
#include "keeper/control_routes.hpp"

#include <fmt/format.h>

#include <set>
#include <vector>

namespace vmline::keeper {
namespace {

constexpr RouteEntry table[] = {
    {Route::vm, "GET", "/v1/vm", "", Speaks::http},
    {Route::spec, "GET", "/v1/vm/spec", "", Speaks::http},
    {Route::stop, "PUT", "/v1/vm/stop", "stop", Speaks::http},
    {Route::kill, "PUT", "/v1/vm/kill", "kill", Speaks::http},
    {Route::reboot, "PUT", "/v1/vm/reboot", "reboot", Speaks::http},
    {Route::reset, "PUT", "/v1/vm/reset", "reset", Speaks::http},
    {Route::pause, "PUT", "/v1/vm/pause", "pause", Speaks::http},
    {Route::resume, "PUT", "/v1/vm/resume", "resume", Speaks::http},
    {Route::nmi, "PUT", "/v1/vm/nmi", "nmi", Speaks::http},
    {Route::events, "GET", "/v1/events", "", Speaks::http},
    {Route::events_stream, "GET", "/v1/events/stream", "", Speaks::websocket},
    {Route::line, "GET", "/v1/lines/{line}", "", Speaks::http},
    {Route::boots, "GET", "/v1/lines/{line}/boots", "", Speaks::http},
    {Route::input, "POST", "/v1/lines/{line}/input", "", Speaks::http},
    {Route::send_break, "PUT", "/v1/lines/{line}/break", "break", Speaks::http},
    {Route::line_stream, "GET", "/v1/lines/{line}/stream", "", Speaks::websocket},
};

/// Whether the parts are those of `pattern`; `line` is what stood for {line}.
bool fits(std::string_view pattern, const std::vector<std::string>& parts, std::string& line) {
  for (const std::string& part : parts) {
    if (pattern.empty()) return false;
    pattern.remove_prefix(1);
    std::string_view expected = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(expected.size());
    if (expected == "{line}" && !part.empty()) {
      line = part;
    } else if (expected != part) {
      return false;
    }
  }
  return pattern.empty();
}

}  // namespace

std::span<const RouteEntry> routes() { return table; }

std::expected<RouteMatch, RouteMiss> match_route(std::string_view method, const Target& target) {
  RouteMiss miss;
  std::string line;
  for (const RouteEntry& entry : table) {
    if (!fits(entry.path, target.path, line)) continue;
    if (entry.method == method) return RouteMatch{&entry, line};
    miss.allow += fmt::format("{}{}", miss.allow.empty() ? "" : ", ", entry.method);
  }
  if (miss.allow.empty()) {
    std::set<std::string_view> paths;
    for (const RouteEntry& entry : table) paths.insert(entry.path);
    std::string asked = fmt::format("/{}", fmt::join(target.path, "/"));
    miss.sentence = fmt::format("there is no {} here; there are {}", asked.substr(0, 80), fmt::join(paths, ", "));
  } else {
    miss.sentence = fmt::format("this path takes {} only", miss.allow);
  }
  return std::unexpected(std::move(miss));
}

}  // namespace vmline::keeper
