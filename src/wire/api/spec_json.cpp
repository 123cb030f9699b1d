// SPDX-License-Identifier: Apache-2.0
// vmline.vm/v1; see spec_json.hpp. Reading and writing stand in the same order, so that a field missing on one side is seen.
#include "wire/api/spec_json.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "wire/api/json_reader.hpp"
#include "wire/api/size.hpp"

namespace vmline::api {
namespace {

constexpr std::array<Choice<DriverKind>, 4> drivers = {{{"qemu", DriverKind::qemu},
                                                        {"cloud-hypervisor", DriverKind::cloud_hypervisor},
                                                        {"exec", DriverKind::exec},
                                                        {"none", DriverKind::none}}};
constexpr std::array<Choice<UpstreamKind>, 3> upstreams = {
    {{"carried", UpstreamKind::carried}, {"dial", UpstreamKind::dial}, {"listen", UpstreamKind::listen}}};
constexpr std::array<Choice<Replay>, 2> replays = {{{"spool", Replay::spool}, {"none", Replay::none}}};
constexpr std::array<Choice<Overflow>, 2> overflows = {{{"block", Overflow::block}, {"drop", Overflow::drop}}};
constexpr std::array<Choice<Restart>, 3> restarts = {
    {{"never", Restart::never}, {"on-failure", Restart::on_failure}, {"always", Restart::always}}};

template <class E, std::size_t N>
std::string_view find_name(const std::array<Choice<E>, N>& choices, E meaning) {
  return std::ranges::find(choices, meaning, &Choice<E>::meaning)->name;
}

/// Text of which only these are taken.
template <std::size_t N>
void one_of(ObjectReader& in, std::string_view key, std::string& target, const std::array<const char*, N>& words) {
  std::array<Choice<std::string>, N> choices;
  for (std::size_t i = 0; i < N; ++i) choices[i] = {words[i], words[i]};
  in.choice<std::string>(key, target, choices);
}

// The files of RUN/NAME that are not a line's: control.sock, api.sock, qmp.in, …
constexpr std::array<std::string_view, 8> taken_names = {"api", "control", "events", "holder", "keeper", "monitor", "qmp", "state"};

bool is_name(std::string_view name, std::size_t most) {
  auto letter_or_digit = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= most && letter_or_digit(name[0]) &&
         std::ranges::all_of(name, [&](char c) { return letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

constexpr std::string_view vm_name_rule =
    "is not a VM's name: 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit, not ending in .lock";
constexpr std::string_view line_name_rule =
    "is not a line's name: 1 to 16 of A-Z a-z 0-9 . _ -, beginning with a letter or digit, and none of api, control, events, holder, "
    "keeper, "
    "monitor, qmp, state";

void read_line(ObjectReader& in, LineSpec& line) {
  in.text("name", line.name, limits::path);
  if (!is_line_name(line.name)) in.refuse("name", line_name_rule);
  in.object("upstream", [&](ObjectReader& upstream) {
    upstream.choice<UpstreamKind>("kind", line.upstream, upstreams);
    upstream.text("path", line.path, limits::path, 1);
    if (line.upstream == UpstreamKind::carried && upstream.has("path")) upstream.refuse("path", "is only for dial and listen");
    if (line.path.size() > limits::socket_path) upstream.refuse("path", "is longer than the 107 bytes of a socket's path");
  });
  in.text("log", line.log, limits::path, 1);
  in.flag("journal", line.journal);
  if (!line.journal && line.log) in.refuse("log", "is given, but journal is false");
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
  out["replay"] = name_of(line.replay);
  out["spool"] = format_size(line.spool);
  out["overflow"] = name_of(line.overflow);
  out["stall_limit_ms"] = line.stall_limit.count();
  out["backlog"] = format_size(line.backlog);
  return out;
}

void read_stop(ObjectReader& in, StopTimes& stop) {
  in.milliseconds("guest_ms", stop.guest, limits::duration_max);
  in.milliseconds("monitor_ms", stop.monitor, limits::duration_max);
  in.milliseconds("term_ms", stop.term, limits::duration_max);
}

/// What one field says about another.
void read_together(ObjectReader& in, const Spec& spec) {
  if (spec.driver == DriverKind::exec && spec.command.empty()) in.refuse("command", "is empty: driver exec needs the command to run");
  if (spec.driver != DriverKind::exec && !spec.command.empty()) in.refuse("command", "is only for driver exec");
  if (spec.driver != DriverKind::exec && spec.pty) in.refuse("pty", "is only for driver exec");
  std::set<std::string_view> names;
  for (const LineSpec& line : spec.lines) {
    if (!names.insert(line.name).second) in.refuse("lines", "has two lines named " + line.name);
    if (spec.driver == DriverKind::none && (line.upstream == UpstreamKind::carried || line.path.empty())) {
      in.refuse("lines", "must say dial or listen and a path, for driver none");
    }
  }
}

void absolute(std::string& path, std::string_view folder) {
  if (path.empty() || path.starts_with('/')) return;
  path = std::string(folder) + (folder.ends_with('/') ? "" : "/") + path;
}

}  // namespace

bool is_vm_name(std::string_view name) { return is_name(name, limits::vm_name) && !name.ends_with(".lock"); }
bool is_line_name(std::string_view name) {
  return is_name(name, limits::line_name) && std::ranges::find(taken_names, name) == taken_names.end();
}

std::string_view name_of(DriverKind kind) { return find_name(drivers, kind); }
std::string_view name_of(UpstreamKind kind) { return find_name(upstreams, kind); }
std::string_view name_of(Replay replay) { return find_name(replays, replay); }
std::string_view name_of(Overflow overflow) { return find_name(overflows, overflow); }
std::string_view name_of(Restart restart) { return find_name(restarts, restart); }

Result<Spec> parse_spec(std::string_view text) {
  TRY_ASSIGN(const json::value document, parse_json(text, limits::spec_file));
  JsonErrors errors;
  ObjectReader in(document, "", errors);
  Spec spec;
  std::string schema;
  in.text("schema", schema, limits::path);
  if (schema != spec_schema) in.refuse("schema", std::string("is not \"") + spec_schema + "\", which must be there");
  in.text("name", spec.name, limits::path);
  if (!is_vm_name(spec.name)) in.refuse("name", vm_name_rule);
  in.choice<DriverKind>("driver", spec.driver, drivers);
  in.text("binary", spec.binary, limits::path);
  in.number<std::uint32_t>("cpus", spec.cpus, 1, limits::cpus_max);
  in.size("memory", spec.memory, limits::memory_min, limits::memory_max);
  in.text("kernel", spec.kernel, limits::path);
  in.text("initramfs", spec.initramfs, limits::path);
  in.text("firmware", spec.firmware, limits::path);
  in.text("cmdline", spec.cmdline, limits::argument);
  one_of<3>(in, "acceleration", spec.acceleration, {"auto", "kvm", "tcg"});
  in.objects("disks", limits::disks_per_vm, [&](ObjectReader& entry) {
    Disk disk;
    entry.text("path", disk.path, limits::path, 1);
    if (!entry.has("path")) entry.refuse("path", "is missing");
    one_of<1>(entry, "format", disk.format, {"raw"});
    entry.flag("readonly", disk.readonly);
    spec.disks.push_back(std::move(disk));
  });
  in.objects("lines", limits::lines_per_vm, [&](ObjectReader& entry) { read_line(entry, spec.lines.emplace_back()); });
  if (spec.lines.empty()) spec.lines.emplace_back();
  in.object("stop", [&](ObjectReader& entry) { read_stop(entry, spec.stop); });
  in.choice<Restart>("restart", spec.restart, restarts);
  in.texts("monitor_args", spec.monitor_args, limits::monitor_args, limits::argument);
  in.texts("command", spec.command, limits::command_args, limits::argument);
  in.text("directory", spec.directory, limits::path);
  in.flag("pty", spec.pty);
  in.finish();
  read_together(in, spec);
  TRY(errors.result());
  return spec;
}

json::object to_json(const Spec& spec) {
  json::object out{{"schema", spec_schema}, {"name", spec.name}, {"driver", name_of(spec.driver)}};
  if (!spec.binary.empty()) out["binary"] = spec.binary;
  out["cpus"] = spec.cpus;
  out["memory"] = format_size(spec.memory);
  if (!spec.kernel.empty()) out["kernel"] = spec.kernel;
  if (!spec.initramfs.empty()) out["initramfs"] = spec.initramfs;
  if (!spec.firmware.empty()) out["firmware"] = spec.firmware;
  if (spec.cmdline) out["cmdline"] = *spec.cmdline;
  out["acceleration"] = spec.acceleration;
  json::array disks;
  for (const Disk& disk : spec.disks)
    disks.push_back(json::object{{"path", disk.path}, {"format", disk.format}, {"readonly", disk.readonly}});
  out["disks"] = std::move(disks);
  json::array lines;
  for (const LineSpec& line : spec.lines) lines.push_back(write_line(line));
  out["lines"] = std::move(lines);
  out["stop"] = {{"guest_ms", spec.stop.guest.count()}, {"monitor_ms", spec.stop.monitor.count()}, {"term_ms", spec.stop.term.count()}};
  out["restart"] = name_of(spec.restart);
  out["monitor_args"] = json::value_from(spec.monitor_args);
  out["command"] = json::value_from(spec.command);
  if (!spec.directory.empty()) out["directory"] = spec.directory;
  out["pty"] = spec.pty;
  return out;
}

Result<> check_spec(const Spec& spec) {
  TRY(parse_spec(json::serialize(to_json(spec))));
  return {};
}

void make_absolute(Spec& spec, std::string_view folder) {
  for (std::string* path : {&spec.kernel, &spec.initramfs, &spec.firmware, &spec.directory}) absolute(*path, folder);
  if (spec.binary.find('/') != std::string::npos) absolute(spec.binary, folder);
  if (!spec.command.empty() && spec.command[0].find('/') != std::string::npos) absolute(spec.command[0], folder);
  for (Disk& disk : spec.disks) absolute(disk.path, folder);
  for (LineSpec& line : spec.lines) {
    absolute(line.path, folder);
    if (line.log) absolute(*line.log, folder);
  }
}

}  // namespace vmline::api
