// SPDX-License-Identifier: Apache-2.0
// Makes a VM run; see launch.hpp.
#include "cli/launch.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <filesystem>

#include "base/limits.hpp"
#include "cli/fields.hpp"
#include "cli/holder_start.hpp"
#include "cli/images.hpp"
#include "cli/machine_id.hpp"
#include "os/files.hpp"
#include "os/process_identity.hpp"
#include "os/tap.hpp"
#include "os/unix_socket.hpp"
#include "wire/api/json_reader.hpp"
#include "wire/api/spec_json.hpp"

namespace vmline::cli {
namespace {

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

/// A path that is too long is told before anything is made.
Result<> check_paths(const os::Places& places, const api::Spec& spec) {
  TRY(os::check_socket_path(places.control_socket(spec.name)));
  for (const api::LineSpec& line : spec.lines) TRY(os::check_socket_path(places.run_dir(spec.name) + "/" + line.name + ".sock"));
  return {};
}

/// To a VM that was stored by a version without machine ids. A spec that cannot be read is its keeper's to complain of.
Result<> give_machine_id(const std::string& spec_path) {
  auto stored = os::read_file(spec_path, limits::spec_file);
  if (!stored) return {};
  auto spec = api::parse_spec(*stored);
  if (!spec || !spec->machine_id.empty()) return {};
  TRY(keep_machine_id(*spec, ""));
  return spec->machine_id.empty() ? Result<>{} : os::write_file(spec_path, json::serialize(api::to_json(*spec)) + "\n");
}

std::optional<Offset> first_head(const json::object& vm) {
  std::vector<json::object> lines = objects_field(vm, "lines");
  if (lines.empty()) return std::nullopt;
  return number_field(lines.front(), "head");
}

/// Of a monitor whose holder and keeper are gone, and whose VM is given up.
void end_orphan(const std::string& identity_path) {
  auto identity = os::ProcessIdentity::load(identity_path);
  if (!identity) return;
  auto process = identity->open();
  if (!process) return;
  os::signal_process(process->get(), SIGKILL);
  (void)os::ends_within(process->get(), std::chrono::seconds(5));
}

/// Those that its keeper had noted as its own.
void remove_taps(const os::Places& places, std::string_view name) {
  auto memory = places.memory_dir(name);
  auto text = memory ? os::read_file(*memory + "/state.json", limits::api_answer) : Result<std::string>(fail(""));
  if (!text) return;
  auto state = api::parse_json(*text, limits::api_answer);
  if (!state || !state->is_object()) return;
  for (const json::object& tap : objects_field(state->get_object(), "taps")) {
    (void)os::remove_tap(text_field(tap, "name"), text_field(tap, "netns"), os::tap_alias(places.root(), name));
  }
}

Result<json::object> start(const Finder& finder, std::string_view name, const os::CommandLock& lock, const std::stop_token& stop) {
  // It has ended, and begins anew: what an earlier life left here for want of a disk is its spools.
  TRY_ASSIGN(std::string memory, finder.places().memory_dir(name));
  TRY(os::remove_file(memory + "/state.json"));
  auto started = start_holder(finder.places(), name, finder.progress(), GivenUp::ended, stop);
  if (!started) {
    // Where the holder was killed on its way, what it had begun is gone on with: its monitor may run. After a failure that was reported
    // there is nothing left to be found.
    bool given_up = stop.stop_requested() || started.error().kind() == ErrorKind::timed_out;
    if (auto found = given_up ? Result<FoundVm>(fail("given up")) : finder.find(name, &lock); found && found->running())
      return std::move(found->vm);
    // Where another holder lives after all, what is there is its own.
    if (!holder_lives(finder.places(), name)) (void)clear_run(finder.places(), name);
    return std::unexpected(started.error());
  }
  // A command may have come to its end already.
  TRY_ASSIGN(FoundVm found, finder.find_at_its_end(name, lock));
  return std::move(found.vm);
}

}  // namespace

Result<> clear_run(const os::Places& places, std::string_view name) {
  // The monitor's and its sidecars'.
  std::error_code none;
  for (const auto& file : std::filesystem::directory_iterator(places.run_dir(name), none)) {
    if (file.path().extension() == ".pid") end_orphan(file.path());
  }
  remove_taps(places, name);
  TRY(places.remove_memory_dir(name));
  return os::remove_tree(places.run_dir(name));
}

Result<std::string> free_name(const os::Places& places) {
  TRY_ASSIGN(std::vector<std::string> names, places.names());
  for (std::size_t number = 1;; ++number) {
    std::string name = fmt::format("vm{}", number);
    if (!std::ranges::binary_search(names, name)) return name;
  }
}

Result<Launched> launch(const Finder& finder, const api::Spec& given, const std::stop_token& stop) {
  TRY_ASSIGN(api::Spec spec, api::checked_spec(given));
  const os::Places& places = finder.places();
  TRY(check_paths(places, spec));
  TRY_ASSIGN(os::CommandLock lock, finder.lock_new(spec.name));
  Launched launched{{}, 0};
  std::string folder = places.vm_dir(spec.name);
  std::string spec_path = folder + "/spec.json";
  std::optional<std::string> spec_before;
  bool is_new = !exists(folder);
  if (!is_new) {
    TRY_ASSIGN(FoundVm found, finder.find(spec.name, &lock));
    if (found.running()) {
      return fail(fmt::format("{} is {} already; stop it first, or give another name", spec.name, text_field(found.vm, "state")),
                  ErrorKind::conflict);
    }
    launched.begin = first_head(found.vm);
    auto stored = os::read_file(spec_path, limits::spec_file);
    if (stored) spec_before = *std::move(stored);
  }
  TRY(keep_machine_id(spec, spec_before.value_or("")));
  auto attempt = [&]() -> Result<> {
    TRY(os::make_folders(folder, 0700));
    TRY(os::write_file(spec_path, json::serialize(api::to_json(spec)) + "\n"));
    TRY(check_images(places, spec));
    TRY_ASSIGN(launched.vm, start(finder, spec.name, lock, stop));
    return {};
  };
  auto done = attempt();
  if (done) return launched;
  if (is_new) {
    (void)os::remove_tree(folder);
    lock.remove();
  } else if (spec_before) {
    (void)os::write_file(spec_path, *spec_before);
  }
  return std::unexpected(done.error());
}

Result<Launched> launch_again(const Finder& finder, std::string_view name, const std::stop_token& stop) {
  TRY(finder.check_exists(name));
  TRY_ASSIGN(os::CommandLock lock, finder.lock(name));
  TRY_ASSIGN(FoundVm found, finder.find(name, &lock));
  if (found.running()) return fail(fmt::format("{} is {} already", name, text_field(found.vm, "state")), ErrorKind::conflict);
  if (!exists(finder.places().vm_dir(name) + "/spec.json")) {
    return fail(fmt::format("{} has no stored spec in {}; use `vmline run {}`", name, finder.places().vm_dir(name), name));
  }
  TRY(give_machine_id(finder.places().vm_dir(name) + "/spec.json"));
  TRY_ASSIGN(std::string text, os::read_file(finder.places().vm_dir(name) + "/spec.json", limits::spec_file));
  TRY_ASSIGN(api::Spec spec, api::parse_spec(text));
  TRY(check_images(finder.places(), spec));
  Launched launched{{}, first_head(found.vm)};
  TRY_ASSIGN(launched.vm, start(finder, name, lock, stop));
  return launched;
}

}  // namespace vmline::cli
