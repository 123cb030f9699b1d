// SPDX-License-Identifier: Apache-2.0
// A plan to look at; see plan_view.hpp.
#include "cli/plan_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "wire/api/spec_json.hpp"

namespace vmline::cli {
namespace {

namespace json = boost::json;

std::string_view owner_of(const vmm::Tap& tap) {
  if (!tap.ours) return "made and removed by us, unless one of that name is there";
  return *tap.ours ? "made and removed by us" : "somebody else's: left alone";
}

void add(std::string& out, std::string_view kind, std::string_view what, std::string_view how = {}) {
  out += fmt::format("  {:<9} {}{}{}\n", kind, what, how.empty() ? "" : ", ", how);
}

std::string made(const PlanView& view) {
  std::string out;
  if (view.spec.cloud_init) add(out, "seed", view.endpoints.seed, "from cloud_init");
  for (const vmm::Fifo& fifo : view.plan.fifos) add(out, "fifo", fifo.path, fifo.anew ? "anew at each start" : "");
  for (const vmm::Listener& socket : view.plan.listeners) add(out, "socket", socket.path, "listening, handed on");
  for (const vmm::Terminal& terminal : view.plan.terminals) add(out, "terminal", "of line " + terminal.line);
  for (const vmm::Tap& tap : view.plan.taps) {
    std::string how = fmt::format("{}{}{}{}{}", tap.bridge.empty() ? "" : "on bridge ", tap.bridge, tap.bridge.empty() ? "" : ", ",
                                  tap.netns.empty() ? "" : fmt::format("in {}, ", tap.netns), owner_of(tap));
    add(out, "tap", tap.name, how);
  }
  return out;
}

std::string typing_of(const vmm::LinePlan& line) {
  switch (line.typing) {
    case vmm::Typing::fifo: return "typing by " + line.input_fifo;
    case vmm::Typing::terminal: return "typing by its terminal";
    case vmm::Typing::socket: return "typing by the same";
    case vmm::Typing::none: break;
  }
  return line.no_typing.empty() ? "no typing" : "no typing: " + line.no_typing;
}

std::string surroundings_of(const vmm::Process& process) {
  std::string out = process.directory.empty() ? "" : " in " + process.directory;
  if (!process.netns.empty()) out += ", network namespace " + process.netns;
  if (!process.cgroup.empty()) out += ", cgroup " + process.cgroup;
  if (process.uid) out += fmt::format(", uid {}", *process.uid);
  if (process.gid) out += fmt::format(", gid {}", *process.gid);
  return out;
}

std::string command_of(const vmm::Process& process) {
  std::string out;
  for (const std::string& word : process.argv) out += (out.empty() ? "" : " ") + shell_quoted(word);
  return out;
}

json::value body_of(const std::string& text) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  return error ? json::value(text) : value;
}

template <class T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::object process_json(const vmm::Process& process) {
  return {{"name", process.name},           {"argv", json::value_from(process.argv)},
          {"directory", process.directory}, {"sidecar", process.sidecar},
          {"netns", process.netns},         {"cgroup", process.cgroup},
          {"uid", or_null(process.uid)},    {"gid", or_null(process.gid)}};
}

/// An array of what `each` makes of every entry.
template <class Entries, class Each>
json::array array_of(const Entries& entries, Each each) {
  json::array out;
  for (const auto& entry : entries) out.push_back(each(entry));
  return out;
}

}  // namespace

std::string shell_quoted(std::string_view word) {
  auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("_-./=:,@%+").contains(c);
  };
  if (!word.empty() && std::ranges::all_of(word, plain)) return std::string(word);
  std::string out = "'";
  for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string plan_text(const PlanView& view) {
  std::string how = view.plan.acceleration == "kvm" ? " with KVM" : view.plan.acceleration == "tcg" ? ", emulated" : "";
  std::string out =
      fmt::format("{}: {}{}. This is a plan: nothing was made or started.\n", view.spec.name, api::name_of(view.spec.driver), how);
  if (std::string make = made(view); !make.empty()) out += "make\n" + make;
  out += "lines\n";
  for (const vmm::LinePlan& line : view.plan.lines) {
    std::string_view from = line.output_fifo.empty() ? line.socket_path : line.output_fifo;
    add(out, line.name, fmt::format("{} {}", api::name_of(line.upstream), from), typing_of(line));
  }
  for (const vmm::Process& process : view.plan.processes) {
    out += fmt::format("start {}{}{}\n  {}\n", process.name, process.sidecar ? " (a sidecar)" : "", surroundings_of(process),
                       command_of(process));
  }
  if (!view.requests.empty()) out += "ask the monitor\n";
  for (const vmm::ApiRequest& request : view.requests) {
    out += fmt::format("  {}{}{}{}{}\n", request.method, request.path.empty() ? "" : " ", request.path, request.body.empty() ? "" : " ",
                       request.body);
  }
  for (const std::string& note : view.notes) out += fmt::format("note: {}\n", note);
  for (const std::string& warning : view.plan.warnings) out += fmt::format("warning: {}\n", warning);
  return out;
}

json::object plan_json(const PlanView& view) {
  const vmm::Plan& plan = view.plan;
  json::object out{{"name", view.spec.name}, {"spec", api::to_json(view.spec)}, {"acceleration", plan.acceleration}};
  if (view.spec.cloud_init) out["seed"] = view.endpoints.seed;
  out["fifos"] = array_of(plan.fifos, [](const vmm::Fifo& fifo) { return json::object{{"path", fifo.path}, {"anew", fifo.anew}}; });
  out["listeners"] = array_of(plan.listeners, [](const vmm::Listener& listener) { return json::value(listener.path); });
  out["terminals"] = array_of(plan.terminals, [](const vmm::Terminal& terminal) { return json::value(terminal.line); });
  out["taps"] = array_of(plan.taps, [](const vmm::Tap& tap) {
    return json::object{{"name", tap.name}, {"bridge", tap.bridge}, {"netns", tap.netns}, {"ours", or_null(tap.ours)}};
  });
  out["lines"] = array_of(plan.lines, [](const vmm::LinePlan& line) {
    return json::object{{"name", line.name},
                        {"upstream", api::name_of(line.upstream)},
                        {"path", line.output_fifo.empty() ? line.socket_path : line.output_fifo},
                        {"typing", line.typing != vmm::Typing::none}};
  });
  out["processes"] = array_of(plan.processes, process_json);
  out["requests"] = array_of(view.requests, [](const vmm::ApiRequest& request) {
    json::object one{{"method", request.method}, {"path", request.path}};
    if (!request.body.empty()) one["body"] = body_of(request.body);
    return one;
  });
  out["notes"] = json::value_from(view.notes);
  out["warnings"] = json::value_from(plan.warnings);
  return out;
}

}  // namespace vmline::cli
