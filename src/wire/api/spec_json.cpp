// SPDX-License-Identifier: Apache-2.0
// vmline.vm/v1; see spec_json.hpp. Reading and writing stand in the same order, so that a field missing on one side is seen.
#include "wire/api/spec_json.hpp"

#include <algorithm>
#include <array>

#include "wire/api/json_reader.hpp"
#include "wire/api/size.hpp"
#include "wire/api/spec_checks.hpp"
#include "wire/api/spec_devices.hpp"
#include "wire/api/spec_lines.hpp"
#include "wire/api/spec_names.hpp"

namespace vmline::api {
namespace {

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

constexpr std::string_view vm_name_rule =
    "is not a VM's name: 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit, not ending in .lock";

constexpr std::uint32_t id_max = 0xfffffffe;  ///< the one above it means "nobody" to the kernel

void read_stop(ObjectReader& in, StopTimes& stop) {
  in.milliseconds("guest_ms", stop.guest, limits::duration_max);
  in.milliseconds("monitor_ms", stop.monitor, limits::duration_max);
  in.milliseconds("term_ms", stop.term, limits::duration_max);
}

/// A UUID in lower case; false where it is something else.
bool normalize_uuid(std::string& text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char& c = text[i];
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

constexpr std::string_view cgroup_root = "/sys/fs/cgroup/";

/// Neither empty parts nor . or .. in it.
bool is_plain_path(std::string_view path) {
  for (std::size_t at = 0; at <= path.size();) {
    std::size_t end = std::min(path.find('/', at), path.size());
    std::string_view part = path.substr(at, end - at);
    if (part.empty() || part == "." || part == "..") return false;
    at = end + 1;
  }
  return true;
}

bool is_cgroup(std::string_view path) {
  if (path.starts_with(cgroup_root)) path.remove_prefix(cgroup_root.size());
  return is_plain_path(path);
}

/// An absolute path, or what `ip netns` knows it by.
bool is_netns(std::string_view text) {
  return text.starts_with('/') || (text.size() <= 255 && text.find('/') == std::string_view::npos && is_plain_path(text));
}

void read_surroundings(ObjectReader& in, Spec& spec) {
  in.path("netns", spec.netns);
  if (!spec.netns.empty() && !is_netns(spec.netns)) in.refuse("netns", "is neither an absolute path nor a name under /run/netns");
  in.path("cgroup", spec.cgroup);
  if (!spec.cgroup.empty() && !is_cgroup(spec.cgroup)) {
    in.refuse("cgroup", "is not a folder under /sys/fs/cgroup: its absolute path, or its path from there, without . and ..");
  }
  in.number<std::uint32_t>("uid", spec.uid, 0, id_max);
  in.number<std::uint32_t>("gid", spec.gid, 0, id_max);
  in.path("virtiofsd", spec.virtiofsd);
  in.texts("virtiofsd_args", spec.virtiofsd_args, limits::monitor_args, limits::argument);
}

void write_surroundings(const Spec& spec, json::object& out) {
  if (!spec.netns.empty()) out["netns"] = spec.netns;
  if (!spec.cgroup.empty()) out["cgroup"] = spec.cgroup;
  if (spec.uid) out["uid"] = *spec.uid;
  if (spec.gid) out["gid"] = *spec.gid;
  if (!spec.virtiofsd.empty()) out["virtiofsd"] = spec.virtiofsd;
  out["virtiofsd_args"] = json::value_from(spec.virtiofsd_args);
}

/// A text that is no JSON, from elsewhere than a spec, stays a text: reading refuses that.
json::value monitor_config_of(const Spec& spec) {
  auto value = parse_json(spec.monitor_config, limits::monitor_config);
  return value ? *std::move(value) : json::value(spec.monitor_config);
}

void absolute(std::string& path, std::string_view folder) {
  if (path.empty() || path.starts_with('/')) return;
  path = std::string(folder) + (folder.ends_with('/') ? "" : "/") + path;
}

void read_all_fields(const json::value& document, Spec& spec, JsonErrors& errors) {
  ObjectReader in(document, "", errors);
  std::string schema;
  in.text("schema", schema, limits::path);
  if (schema != spec_schema) in.refuse("schema", std::string("is not \"") + spec_schema + "\", which must be there");
  in.text("name", spec.name, limits::path);
  if (!is_vm_name(spec.name)) in.refuse("name", vm_name_rule);
  in.text("machine_id", spec.machine_id, limits::path);
  if (!spec.machine_id.empty() && !normalize_uuid(spec.machine_id)) {
    in.refuse("machine_id", "is not a UUID such as 8c1f0b3a-52d4-4e0e-9d3b-0b8f7a3c1e55");
  }
  in.texts("command", spec.command, limits::command_args, limits::argument);
  read_fields(in, spec);
  in.finish();
}

Result<Spec> read_whole(const json::value& document) {
  JsonErrors errors;
  Spec spec;
  read_all_fields(document, spec, errors);
  if (!errors.any()) check_driver(document, spec, errors);
  if (!errors.any()) check_together(document, "", spec, errors);
  TRY(errors.result());
  return spec;
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

void read_fields(ObjectReader& in, Spec& spec) {
  in.choice<DriverKind>("driver", spec.driver, drivers);
  in.path("binary", spec.binary);
  in.number<std::uint32_t>("cpus", spec.cpus, 1, limits::cpus_max);
  in.size("memory", spec.memory, limits::memory_min, limits::memory_max);
  in.path("kernel", spec.kernel);
  in.path("initramfs", spec.initramfs);
  in.path("firmware", spec.firmware);
  in.text("cmdline", spec.cmdline, limits::argument);
  one_of<3>(in, "acceleration", spec.acceleration, {"auto", "kvm", "tcg"});
  one_of<2>(in, "machine", spec.machine, {"q35", "microvm"});
  read_devices(in, spec);
  read_surroundings(in, spec);
  read_lines(in, spec);
  in.object("stop", [&](ObjectReader& entry) { read_stop(entry, spec.stop); });
  in.choice<Restart>("restart", spec.restart, restarts);
  in.texts("monitor_args", spec.monitor_args, limits::monitor_args, limits::argument);
  in.any_object("monitor_config", spec.monitor_config, limits::monitor_config);
  in.path("directory", spec.directory);
  in.flag("pty", spec.pty);
}

Result<Spec> parse_spec(std::string_view text) {
  TRY_ASSIGN(const json::value document, parse_json(text, limits::spec_file));
  return read_whole(document);
}

Result<> read_spec_onto(const json::value& document, Spec& spec) {
  JsonErrors errors;
  read_all_fields(document, spec, errors);
  return errors.result();
}

json::object to_json(const Spec& spec) {
  json::object out{{"schema", spec_schema}, {"name", spec.name}};
  if (!spec.machine_id.empty()) out["machine_id"] = spec.machine_id;
  out["command"] = json::value_from(spec.command);
  out["driver"] = name_of(spec.driver);
  if (!spec.binary.empty()) out["binary"] = spec.binary;
  out["cpus"] = spec.cpus;
  out["memory"] = format_size(spec.memory);
  if (!spec.kernel.empty()) out["kernel"] = spec.kernel;
  if (!spec.initramfs.empty()) out["initramfs"] = spec.initramfs;
  if (!spec.firmware.empty()) out["firmware"] = spec.firmware;
  if (spec.cmdline) out["cmdline"] = *spec.cmdline;
  out["acceleration"] = spec.acceleration;
  out["machine"] = spec.machine;
  write_devices(spec, out);
  write_surroundings(spec, out);
  write_lines(spec, out);
  out["stop"] = {{"guest_ms", spec.stop.guest.count()}, {"monitor_ms", spec.stop.monitor.count()}, {"term_ms", spec.stop.term.count()}};
  out["restart"] = name_of(spec.restart);
  out["monitor_args"] = json::value_from(spec.monitor_args);
  if (!spec.monitor_config.empty()) out["monitor_config"] = monitor_config_of(spec);
  if (!spec.directory.empty()) out["directory"] = spec.directory;
  out["pty"] = spec.pty;
  return out;
}

Result<Spec> checked_spec(const Spec& spec) {
  const json::value document = to_json(spec);
  TRY_ASSIGN(Spec read, read_whole(document));
  // As it will be stored: all of it is not too long, nor what others made of it nested too deep.
  auto stored = parse_json(json::serialize(document), limits::spec_file);
  if (!stored) return std::unexpected(stored.error().because("the spec as it would be stored"));
  return read;
}

Result<> check_spec(const Spec& spec) {
  TRY(checked_spec(spec));
  return {};
}

void make_absolute(Spec& spec, std::string_view folder) {
  for (std::string* path : {&spec.kernel, &spec.initramfs, &spec.firmware, &spec.directory, &spec.seed}) absolute(*path, folder);
  for (std::string* program : {&spec.binary, &spec.virtiofsd}) {
    if (program->find('/') != std::string::npos) absolute(*program, folder);
  }
  if (!spec.command.empty() && spec.command[0].find('/') != std::string::npos) absolute(spec.command[0], folder);
  if (spec.root_disk) absolute(spec.root_disk->path, folder);
  for (Disk& disk : spec.disks) absolute(disk.path, folder);
  for (Share& share : spec.shares) absolute(share.path, folder);
  absolute(spec.cgroup, cgroup_root);
  for (LineSpec& line : spec.lines) {
    absolute(line.path, folder);
    if (line.log) absolute(*line.log, folder);
  }
}

}  // namespace vmline::api
