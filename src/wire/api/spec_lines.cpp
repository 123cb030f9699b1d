// SPDX-License-Identifier: Apache-2.0
// Lines of a spec; see spec_lines.hpp. Reading and writing stand in the same order.
#include "wire/api/spec_lines.hpp"

#include <algorithm>
#include <array>

#include "base/limits.hpp"
#include "wire/api/size.hpp"
#include "wire/api/spec_json.hpp"
#include "wire/api/spec_names.hpp"

namespace vmline::api {
namespace {

constexpr std::string_view line_name_rule =
    "is not a line's name: 1 to 16 of A-Z a-z 0-9 . _ -, beginning with a letter or digit, and none of api, control, events, holder, "
    "keeper, monitor, qmp, state";

// What events call what is looked for on every line.
constexpr std::array<std::string_view, 4> built_in_rules = {"ready", "panic", "emergency", "login"};

void read_match(ObjectReader& in, MatchRule& rule) {
  in.text("name", rule.name, limits::path);
  if (!is_name(rule.name, limits::match_name)) {
    in.refuse("name", "is not a rule's name: 1 to 32 of A-Z a-z 0-9 . _ -, beginning with a letter or digit");
  }
  if (std::ranges::find(built_in_rules, rule.name) != built_in_rules.end()) in.refuse("name", "is a rule of vmline's own: choose another");
  in.text("literal", rule.literal, limits::match_text, 1);
  in.text("regex", rule.regex, limits::match_text, 1);
  if (in.has("literal") && in.has("regex")) in.refuse("regex", "is given beside literal: a rule has one of the two");
  if (!in.has("literal") && !in.has("regex")) in.refuse("literal", "is missing: a rule has a literal or a regex");
}

json::object write_match(const MatchRule& rule) {
  json::object out{{"name", rule.name}};
  if (!rule.literal.empty()) out["literal"] = rule.literal;
  if (!rule.regex.empty()) out["regex"] = rule.regex;
  return out;
}

void read_line(ObjectReader& in, LineSpec& line) {
  in.text("name", line.name, limits::path);
  if (!is_line_name(line.name)) in.refuse("name", line_name_rule);
  in.object("upstream", [&](ObjectReader& upstream) {
    upstream.choice<UpstreamKind>("kind", line.upstream, upstreams);
    upstream.path("path", line.path, 1);
    if (line.upstream == UpstreamKind::carried && upstream.has("path")) upstream.refuse("path", "is only for dial and listen");
    if (line.path.size() > limits::socket_path) upstream.refuse("path", "is longer than the 107 bytes of a socket's path");
  });
  in.path("log", line.log, 1);
  in.flag("journal", line.journal);
  if (!line.journal && line.log) in.refuse("log", "is given, but journal is false");
  in.flag("input", line.input);
  in.choice<Replay>("replay", line.replay, replays);
  in.size("spool", line.spool, limits::spool_min, limits::spool_max);
  in.choice<Overflow>("overflow", line.overflow, overflows);
  in.milliseconds("stall_limit_ms", line.stall_limit, limits::duration_max);
  in.size("backlog", line.backlog, 0, limits::backlog_max);
}

json::object write_line(const LineSpec& line) {
  json::object upstream{{"kind", name_of(line.upstream)}};
  if (!line.path.empty()) upstream["path"] = line.path;
  json::object out{{"name", line.name}, {"upstream", std::move(upstream)}};
  if (line.log) out["log"] = *line.log;
  out["journal"] = line.journal;
  out["input"] = line.input;
  out["replay"] = name_of(line.replay);
  out["spool"] = format_size(line.spool);
  out["overflow"] = name_of(line.overflow);
  out["stall_limit_ms"] = line.stall_limit.count();
  out["backlog"] = format_size(line.backlog);
  return out;
}

}  // namespace

void read_lines(ObjectReader& in, Spec& spec) {
  if (in.is_null("ready")) {
    in.knows("ready");
    spec.ready.marker.clear();
  } else {
    in.object("ready", [&](ObjectReader& ready) { ready.text("marker", spec.ready.marker, limits::match_text); });
  }
  if (in.has("matches")) spec.matches.clear();
  in.objects("matches", limits::matches_per_vm, [&](ObjectReader& entry) { read_match(entry, spec.matches.emplace_back()); });
  if (in.has("lines")) spec.lines.clear();
  in.objects("lines", limits::lines_per_vm, [&](ObjectReader& entry) { read_line(entry, spec.lines.emplace_back()); });
  if (spec.lines.empty()) spec.lines.emplace_back();
}

void write_lines(const Spec& spec, json::object& out) {
  out["ready"] = json::object{{"marker", spec.ready.marker}};
  json::array matches;
  for (const MatchRule& rule : spec.matches) matches.push_back(write_match(rule));
  out["matches"] = std::move(matches);
  json::array lines;
  for (const LineSpec& line : spec.lines) lines.push_back(write_line(line));
  out["lines"] = std::move(lines);
}

}  // namespace vmline::api
