// SPDX-License-Identifier: Apache-2.0
// The control API's paths and methods: one table, from which answers 404 and 405 are made too. docs/openapi.yaml is held to it by a test.
#pragma once
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "keeper/control_target.hpp"

namespace vmline::keeper {

enum class Route {
  vm,
  spec,
  stop,
  kill,
  reboot,
  reset,
  pause,
  resume,
  nmi,
  events,
  events_stream,
  line,
  boots,
  input,
  send_break,
  line_stream
};
enum class Speaks { http, websocket };

struct RouteEntry {
  Route route;
  std::string_view method;
  std::string_view path;     ///< "{line}" stands for any one part
  std::string_view command;  ///< what VmService::command calls it; empty where it is none
  Speaks speaks;
};

[[nodiscard]] std::span<const RouteEntry> routes();

struct RouteMatch {
  const RouteEntry* entry = nullptr;
  std::string line;  ///< what stood for {line}
};
struct RouteMiss {
  std::string allow;     ///< the methods that this path has; empty: there is no such path
  std::string sentence;  ///< names what there is
};
[[nodiscard]] std::expected<RouteMatch, RouteMiss> match_route(std::string_view method, const Target& target);

}  // namespace vmline::keeper
