// SPDX-License-Identifier: Apache-2.0
// A spec from what `run` and `keep` were given; see spec_options.hpp.
#include "cli/spec_options.hpp"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <initializer_list>
#include <set>

#include "cli/device_options.hpp"
#include "line/guest_words.hpp"
#include "wire/api/json_reader.hpp"
#include "wire/api/size.hpp"
#include "wire/api/spec_json.hpp"

namespace vmline::cli {
namespace {

namespace json = boost::json;

/// The value whose name was given; the names are those of specs.
template <class E>
Result<> choose(std::string_view option, const std::optional<std::string>& given, E& target, std::initializer_list<E> choices) {
  if (!given) return {};
  std::string known;
  for (E choice : choices) {
    if (api::name_of(choice) == *given) {
      target = choice;
      return {};
    }
    known += fmt::format("{}{}", known.empty() ? "" : ", ", api::name_of(choice));
  }
  return fail(fmt::format("{}: '{}' is not one of {}", option, *given, known), ErrorKind::usage);
}

Result<> read_size(std::string_view option, const std::optional<std::string>& given, std::uint64_t& target) {
  if (!given) return {};
  auto size = api::parse_size(*given);
  if (!size) return std::unexpected(size.error().because(option).as(ErrorKind::usage));
  target = *size;
  return {};
}

void copy(const std::optional<std::string>& given, std::string& target) {
  if (given) target = *given;
}

Result<> apply_line_flags(const LineFlags& flags, api::LineSpec& line) {
  if (flags.log) line.log = *flags.log;
  if (flags.no_journal) line.journal = false;
  TRY(read_size("--spool", flags.spool, line.spool));
  return choose("--replay", flags.replay, line.replay, {api::Replay::spool, api::Replay::none});
}

/// The file as JSON, with the name that the VM is to have.
Result<json::value> read_document(const RunFlags& flags, std::string_view text, std::string_view default_name) {
  TRY_ASSIGN(json::value value, api::parse_json(text, limits::spec_file));
  if (json::object* object = value.if_object()) {
    if (flags.name)
      (*object)["name"] = *flags.name;
    else if (!object->contains("name"))
      (*object)["name"] = json::string_view(default_name.data(), default_name.size());
  }
  return value;
}

/// Which fields the user gives, by file or flags, of those for which a default stands aside.
std::set<std::string> given_fields(const RunFlags& flags, const json::value& document) {
  std::set<std::string> given;
  if (const json::object* object = document.if_object()) {
    for (const auto& field : *object) given.emplace(field.key());
  }
  if (flags.kernel) given.emplace("kernel");
  if (flags.firmware) given.emplace("firmware");
  if (flags.seed) given.emplace("seed");
  if (flags.user_data) given.emplace("cloud_init");
  return given;
}

/// The driver decides which defaults there are, so it is known first; what is no driver is told when it is read.
Result<api::DriverKind> driver_of(const RunFlags& flags, const json::value& document, const api::HostFile& host) {
  api::DriverKind driver = api::default_driver(host);
  const json::value* named = document.is_object() ? document.get_object().if_contains("driver") : nullptr;
  if (named && named->is_string()) {
    for (api::DriverKind kind : {api::DriverKind::qemu, api::DriverKind::cloud_hypervisor, api::DriverKind::firecracker,
                                 api::DriverKind::exec, api::DriverKind::none}) {
      if (api::name_of(kind) == std::string_view(named->get_string())) driver = kind;
    }
  }
  TRY(choose("--driver", flags.driver, driver, {api::DriverKind::qemu, api::DriverKind::cloud_hypervisor, api::DriverKind::firecracker}));
  return driver;
}

Result<> apply_devices(const RunFlags& flags, const RunSources& sources, api::Spec& spec) {
  if (flags.root_disk) {
    TRY_ASSIGN(spec.root_disk, parse_disk("--root-disk", *flags.root_disk));
  }
  copy(flags.seed, spec.seed);
  if (sources.user_data) {
    if (!spec.cloud_init) spec.cloud_init.emplace();
    spec.cloud_init->user_data = *sources.user_data;
  }
  for (const std::string& text : flags.disks) {
    TRY_ASSIGN(api::Disk disk, parse_disk("--disk", text));
    spec.disks.push_back(std::move(disk));
  }
  for (const std::string& text : flags.networks) {
    TRY_ASSIGN(api::Network network, parse_network(text));
    spec.networks.push_back(std::move(network));
  }
  for (const std::string& text : flags.shares) {
    TRY_ASSIGN(api::Share share, parse_share(text));
    spec.shares.push_back(std::move(share));
  }
  return {};
}

Result<> apply_rules(const RunFlags& flags, api::Spec& spec) {
  copy(flags.ready_marker, spec.ready.marker);
  for (const std::string& text : flags.matches) {
    TRY_ASSIGN(api::MatchRule rule, parse_match(text));
    spec.matches.push_back(std::move(rule));
  }
  return {};
}

Result<> apply_monitor(const RunFlags& flags, const RunSources& sources, api::Spec& spec) {
  TRY(choose("--restart", flags.restart, spec.restart, {api::Restart::never, api::Restart::on_failure, api::Restart::always}));
  copy(flags.binary, spec.binary);
  copy(flags.accel, spec.acceleration);
  copy(flags.machine, spec.machine);
  copy(flags.machine_id, spec.machine_id);
  copy(flags.virtiofsd, spec.virtiofsd);
  copy(flags.netns, spec.netns);
  copy(flags.cgroup, spec.cgroup);
  if (flags.uid) spec.uid = flags.uid;
  if (flags.gid) spec.gid = flags.gid;
  spec.monitor_args.insert(spec.monitor_args.end(), flags.monitor_args.begin(), flags.monitor_args.end());
  if (!sources.monitor_config) return {};
  auto value = api::parse_json(*sources.monitor_config, limits::monitor_config);
  if (value && !value->is_object()) value = fail("is not a JSON object", ErrorKind::usage);
  if (!value) return std::unexpected(value.error().because(*flags.monitor_config));
  spec.monitor_config = value->get_object().empty() ? "" : json::serialize(*value);
  return {};
}

/// An expression that is none is told now, and not by a keeper.
Result<> check_rules(const api::Spec& spec) {
  for (std::size_t i = 0; i < spec.matches.size(); ++i) {
    const api::MatchRule& rule = spec.matches[i];
    auto words = line::GuestWords::create("", {{rule.name, rule.literal, rule.regex}});
    if (!words) return std::unexpected(words.error().because(fmt::format("/matches/{}/regex", i)));
  }
  return {};
}

}  // namespace

Result<api::Spec> spec_of_run(const RunFlags& flags, const RunSources& sources) {
  json::value document = json::object{};
  if (sources.file) {
    auto read = read_document(flags, *sources.file, sources.default_name);
    if (!read) return std::unexpected(read.error().because(*flags.file).as(ErrorKind::usage));
    document = *std::move(read);
  }
  TRY_ASSIGN(const api::DriverKind driver, driver_of(flags, document, sources.host));
  api::Spec spec = api::spec_of_defaults(sources.host, driver, given_fields(flags, document), sources.host_folder);
  spec.name = flags.name.value_or(sources.default_name);
  if (sources.file) {
    if (auto read = api::read_spec_onto(document, spec); !read) return std::unexpected(read.error().because(*flags.file));
    api::make_absolute(spec, sources.file_folder);
  }
  spec.driver = driver;
  const api::Spec before_flags = spec;
  TRY(read_size("--memory", flags.memory, spec.memory));
  if (flags.cpus) spec.cpus = *flags.cpus;
  if (flags.cmdline) spec.cmdline = *flags.cmdline;
  copy(flags.kernel, spec.kernel);
  copy(flags.initramfs, spec.initramfs);
  copy(flags.firmware, spec.firmware);
  TRY(apply_devices(flags, sources, spec));
  TRY(apply_rules(flags, spec));
  TRY(apply_monitor(flags, sources, spec));
  TRY(apply_line_flags(flags, spec.lines.front()));
  api::make_absolute(spec, sources.folder);
  TRY(check_rules(spec));
  auto checked = api::checked_spec(spec);
  if (checked || !sources.file) return checked;
  // The file is named where no flag has to do with it.
  auto without_flags = api::check_spec(before_flags);
  bool of_file = !without_flags && without_flags.error().sentence() == checked.error().sentence();
  return of_file ? std::unexpected(checked.error().because(*flags.file)) : std::move(checked);
}

Result<api::Spec> spec_of_keep(const KeepFlags& flags, std::string_view folder) {
  int ways = (flags.connect ? 1 : 0) + (flags.listen ? 1 : 0) + (flags.command.empty() ? 0 : 1);
  if (ways != 1) return fail("keep needs one of --connect PATH, --listen-upstream PATH and -- COMMAND", ErrorKind::usage);
  if (flags.pty && flags.command.empty()) return fail("--pty is for -- COMMAND: it has nothing to do with a socket", ErrorKind::usage);
  if (flags.restart && flags.command.empty())
    return fail("--restart is for -- COMMAND: vmline does not start what it connects to", ErrorKind::usage);
  api::Spec spec;
  spec.name = flags.name;
  api::LineSpec& line = spec.lines.emplace_back();
  if (flags.command.empty()) {
    spec.driver = api::DriverKind::none;
    line.upstream = flags.connect ? api::UpstreamKind::dial : api::UpstreamKind::listen;
    line.path = flags.connect ? *flags.connect : *flags.listen;
  } else {
    spec.driver = api::DriverKind::exec;
    spec.command = flags.command;
    spec.directory = folder;
    spec.pty = flags.pty;
  }
  TRY(choose("--restart", flags.restart, spec.restart, {api::Restart::never, api::Restart::on_failure, api::Restart::always}));
  TRY(apply_line_flags(flags, line));
  api::make_absolute(spec, folder);
  return spec;
}

}  // namespace vmline::cli
