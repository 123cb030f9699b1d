// SPDX-License-Identifier: Apache-2.0
// Finds a VM as it is now; see finder.hpp.
#include "cli/finder.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <thread>

#include "base/limits.hpp"
#include "cli/connection.hpp"
#include "cli/fields.hpp"
#include "cli/holder_start.hpp"
#include "cli/interruption.hpp"
#include "os/files.hpp"
#include "wire/api/json_reader.hpp"
#include "wire/api/spec_json.hpp"

namespace vmline::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto answer_limit = 15s;  ///< for a keeper to say how its VM is; one that hangs is replaced by its holder before
constexpr auto revive_limit = 30s;  ///< for a keeper that is being started by its holder to answer
constexpr auto lock_limit = 60s;    ///< a stop may take half of it

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

/// Whether the state on the tmpfs is of a VM that goes on. One that has ended leaves it there only with what a disk did not take.
bool goes_on(const std::string& state_file) {
  auto text = os::read_file(state_file, limits::api_answer);
  if (!text) return false;
  auto state = api::parse_json(*text, limits::api_answer);
  if (!state || !state->is_object()) return true;
  std::string word = text_field(state->get_object(), "state");
  return word != "stopped" && word != "failed";
}

}  // namespace

Result<> Finder::check_exists(std::string_view name) const {
  if (!api::is_vm_name(name)) {
    return fail(
        fmt::format("'{}' is not a VM's name: 1 to {} of A-Z a-z 0-9 . _ -, beginning with a letter or digit", name, limits::vm_name),
        ErrorKind::usage);
  }
  if (!exists(places_.vm_dir(name))) return fail(fmt::format("no such VM: {}", name), ErrorKind::not_found);
  return {};
}

Result<os::CommandLock> Finder::lock(std::string_view name) const {
  TRY_ASSIGN(os::CommandLock lock, lock_new(name));
  if (auto there = check_exists(name); !there) {
    lock.remove();
    return std::unexpected(there.error());
  }
  return lock;
}

Result<os::CommandLock> Finder::lock_new(std::string_view name) const {
  TRY(places_.create());
  return os::CommandLock::take(places_.command_lock(name), name, lock_limit);
}

Result<FoundVm> Finder::ask(std::string_view name) const {
  auto answer = client(name).get("/v1/vm", answer_limit);
  if (!answer) return std::unexpected(answer.error().number() ? answer.error() : answer.error().because(name));
  if (!answer->is_object()) return fail(fmt::format("{}: the keeper does not say how the VM is", name));
  return FoundVm{FoundVm::Presence::running, std::move(answer->get_object())};
}

Result<FoundVm> Finder::stopped(std::string_view name) const {
  FoundVm found;
  auto text = os::read_file(places_.vm_dir(name) + "/state.json", limits::api_answer);
  if (text) {
    auto state = api::parse_json(*text, limits::api_answer);
    if (state && state->is_object()) found.vm = std::move(state->get_object());
  }
  found.vm["name"] = json::string_view(name.data(), name.size());
  std::string state = text_field(found.vm, "state");
  if (state != "stopped" && state != "failed") {
    // Written while it ran, and nothing of it is left on the tmpfs.
    found.vm["state"] = "stopped";
    if (!state.empty()) found.vm["reason"] = "the host was restarted";
  }
  return found;
}

Result<FoundVm> Finder::find(std::string_view name, const os::CommandLock* lock, const std::stop_token& stop) const {
  TRY(check_exists(name));
  auto found = ask(name);
  if (found || !is_lost_connection(found.error())) return found;
  TRY(places_.create());
  TRY_ASSIGN(std::string memory, places_.memory_dir(name));
  std::string state_file = memory + "/state.json";
  if (!goes_on(state_file) && !holder_lives(places_, name)) return stopped(name);
  std::optional<os::CommandLock> taken;
  if (!lock) {
    TRY_ASSIGN(taken, this->lock(name));
  }
  return revive(name, state_file, stop);
}

Result<FoundVm> Finder::find_at_its_end(std::string_view name, const os::CommandLock& lock) const {
  auto deadline = std::chrono::steady_clock::now() + 5s;
  while (true) {
    auto found = find(name, &lock);
    if (!found || !found->running()) return found;
    std::string state = text_field(found->vm, "state");
    bool ending = state == "stopping" || state == "stopped" || state == "failed";
    if (!ending || std::chrono::steady_clock::now() >= deadline) return found;
    std::this_thread::sleep_for(10ms);
  }
}

Result<FoundVm> Finder::revive(std::string_view name, const std::string& state_file, const std::stop_token& stop) const {
  Interruption interruption(stop);
  auto deadline = std::chrono::steady_clock::now() + revive_limit;
  auto pause = 5ms;
  std::optional<Error> trouble;
  while (std::chrono::steady_clock::now() < deadline) {
    auto found = ask(name);
    if (found || !is_lost_connection(found.error())) return found;
    if (holder_lives(places_, name)) {
      // It is starting its keeper, or both are leaving.
      if (interruption.wait({}, std::chrono::steady_clock::now() + pause) == Interruption::Woken::interrupted) break;
      pause = std::min(pause * 2, 200ms);
      continue;
    }
    if (!goes_on(state_file)) return stopped(name);
    // What it came to is asked, or read, anew. One that was killed on its way is followed by another: the monitor may run.
    if (auto started = start_holder(places_, name, progress_, GivenUp::left, stop); !started) {
      trouble = started.error();
      if (interruption.wait({}, std::chrono::steady_clock::now() + pause) == Interruption::Woken::interrupted) break;
      pause = std::min(pause * 2, 200ms);
    }
  }
  if (trouble) return std::unexpected(*trouble);
  return fail(fmt::format("{}: its keeper does not come back; see {}/vmline.log", name, places_.vm_dir(name)), ErrorKind::timed_out);
}

}  // namespace vmline::cli
