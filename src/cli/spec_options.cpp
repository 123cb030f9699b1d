// SPDX-License-Identifier: Apache-2.0
// A spec from what `run` and `keep` were given; see spec_options.hpp.
#include "cli/spec_options.hpp"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <initializer_list>

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

Result<api::Spec> spec_of_file(const RunFlags& flags, std::string_view text, std::string_view default_name) {
  TRY_ASSIGN(json::value value, api::parse_json(text, limits::spec_file));
  if (json::object* object = value.if_object()) {
    if (flags.name)
      (*object)["name"] = *flags.name;
    else if (!object->contains("name"))
      (*object)["name"] = json::string_view(default_name.data(), default_name.size());
  }
  return api::parse_spec(json::serialize(value));
}

}  // namespace

Result<api::Disk> parse_disk(std::string_view text) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ',')
      parts.back() += text[i];
    else if (text.substr(i).starts_with(",,"))
      parts.back() += text[i++];
    else
      parts.emplace_back();
  }
  api::Disk disk;
  disk.path = parts.front();
  if (disk.path.empty()) return fail(fmt::format("--disk: '{}' has no path", text), ErrorKind::usage);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i] == "readonly")
      disk.readonly = true;
    else if (parts[i].starts_with("format="))
      disk.format = parts[i].substr(7);
    else
      return fail(fmt::format("--disk: '{}' is neither format=FORMAT nor readonly; a comma in a path is written twice", parts[i]),
                  ErrorKind::usage);
  }
  return disk;
}

Result<api::Spec> spec_of_run(const RunFlags& flags, const std::optional<std::string>& file, std::string_view file_folder,
                              std::string_view folder, std::string_view default_name) {
  api::Spec spec;
  spec.lines.emplace_back();
  spec.name = flags.name.value_or(std::string(default_name));
  if (file) {
    auto read = spec_of_file(flags, *file, default_name);
    if (!read) return std::unexpected(read.error().because(*flags.file).as(ErrorKind::usage));
    spec = *std::move(read);
    api::make_absolute(spec, file_folder);
  }
  TRY(choose("--driver", flags.driver, spec.driver, {api::DriverKind::qemu, api::DriverKind::cloud_hypervisor}));
  TRY(choose("--restart", flags.restart, spec.restart, {api::Restart::never, api::Restart::on_failure, api::Restart::always}));
  TRY(read_size("--memory", flags.memory, spec.memory));
  if (flags.cpus) spec.cpus = *flags.cpus;
  if (flags.cmdline) spec.cmdline = *flags.cmdline;
  copy(flags.binary, spec.binary);
  copy(flags.kernel, spec.kernel);
  copy(flags.initramfs, spec.initramfs);
  copy(flags.firmware, spec.firmware);
  copy(flags.accel, spec.acceleration);
  for (const std::string& text : flags.disks) {
    TRY_ASSIGN(api::Disk disk, parse_disk(text));
    spec.disks.push_back(std::move(disk));
  }
  spec.monitor_args.insert(spec.monitor_args.end(), flags.monitor_args.begin(), flags.monitor_args.end());
  TRY(apply_line_flags(flags, spec.lines.front()));
  api::make_absolute(spec, folder);
  return spec;
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
