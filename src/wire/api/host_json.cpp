// SPDX-License-Identifier: Apache-2.0
// vmline.host/v1; see host_json.hpp.
#include "wire/api/host_json.hpp"

#include <fmt/format.h>

#include <limits>

#include "base/limits.hpp"
#include "wire/api/json_reader.hpp"
#include "wire/api/size.hpp"
#include "wire/api/spec_checks.hpp"
#include "wire/api/spec_json.hpp"

namespace vmline::api {
namespace {

constexpr std::uint32_t count_max = std::numeric_limits<std::uint32_t>::max();

void read_limits(ObjectReader& in, HostLimits& limits) {
  in.number<std::uint32_t>("cpus", limits.cpus, 1, count_max);
  std::uint64_t memory = 0;
  in.size("memory", memory, limits::memory_min, limits::memory_max);
  if (in.has("memory")) limits.memory = memory;
  in.number<std::uint32_t>("disks", limits.disks, 0, count_max);
  in.number<std::uint32_t>("vms", limits.vms, 0, count_max);
}

Spec read_defaults(const json::object& fields) {
  const json::value value = fields;
  JsonErrors errors;
  ObjectReader in(value, "/defaults", errors);
  Spec spec;
  read_fields(in, spec);
  return spec;
}

std::unexpected<Error> beyond(std::string what, std::string limit, std::string_view name) {
  return fail(fmt::format("{} {} more than the {} of /limits/{}", what, name == "memory" ? "is" : "are", limit, name), ErrorKind::usage);
}

}  // namespace

Result<HostFile> parse_host_file(std::string_view text) {
  TRY_ASSIGN(const json::value document, parse_json(text, limits::host_file));
  JsonErrors errors;
  ObjectReader in(document, "", errors);
  HostFile host;
  std::string schema;
  in.text("schema", schema, limits::path);
  if (schema != host_schema) in.refuse("schema", std::string("is not \"") + host_schema + "\", which must be there");
  Spec spec;
  in.object("defaults", [&](ObjectReader& entry) { read_fields(entry, spec); });
  in.object("limits", [&](ObjectReader& entry) { read_limits(entry, host.limits); });
  in.finish();
  if (!errors.any()) check_together(document, "/defaults", spec, errors);
  TRY(errors.result());
  if (const json::value* defaults = document.get_object().if_contains("defaults")) host.defaults = defaults->get_object();
  return host;
}

DriverKind default_driver(const HostFile& host) { return read_defaults(host.defaults).driver; }

Spec spec_of_defaults(const HostFile& host, DriverKind driver, const std::set<std::string>& given, std::string_view folder) {
  bool other_driver = default_driver(host) != driver;
  bool boots_otherwise = given.contains("kernel") || given.contains("firmware");
  auto is_left_out = [&](std::string_view name) {
    if (name == "driver" || !is_for(name, driver)) return true;
    if (name == "binary" || name == "monitor_args" || name == "monitor_config") return other_driver;
    if (name == "kernel" || name == "initramfs" || name == "firmware") return boots_otherwise;
    if (name == "cmdline") return given.contains("firmware");
    if (name == "seed") return given.contains("cloud_init");
    return name == "cloud_init" && given.contains("seed");
  };
  json::object fields;
  for (const auto& field : host.defaults) {
    if (!is_left_out(field.key())) fields[field.key()] = field.value();
  }
  Spec spec = read_defaults(fields);
  spec.driver = driver;
  make_absolute(spec, folder);
  return spec;
}

Result<> check_limits(const HostLimits& limits, const Spec& spec) {
  if (limits.cpus && spec.cpus > *limits.cpus) return beyond(fmt::format("{} cpus", spec.cpus), fmt::format("{}", *limits.cpus), "cpus");
  if (limits.memory && spec.memory > *limits.memory) {
    return beyond(fmt::format("{} of memory", format_size(spec.memory)), format_size(*limits.memory), "memory");
  }
  std::size_t disks = spec.disks.size() + (spec.root_disk ? 1 : 0);
  if (limits.disks && disks > *limits.disks) return beyond(fmt::format("{} disks", disks), fmt::format("{}", *limits.disks), "disks");
  return {};
}

Result<> check_vms(const HostLimits& limits, std::size_t running) {
  if (!limits.vms || running < *limits.vms) return {};
  return fail(fmt::format("{} VMs run, and /limits/vms allows {}; stop one first", running, *limits.vms), ErrorKind::conflict);
}

}  // namespace vmline::api
