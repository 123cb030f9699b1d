// SPDX-License-Identifier: Apache-2.0
// `vmline stop`, `kill`, `reboot` and `reset`: asks the keeper, and waits until what should be gone is gone.
#include "cli/stop.hpp"

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/departure.hpp"
#include "cli/fields.hpp"
#include "cli/output.hpp"

namespace vmline::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto departure_limit = 15s;
constexpr auto patience = 2min;  ///< beyond the time limit that a command was given: the keeper's own limits end it long before

std::chrono::milliseconds limit_of(const std::optional<std::chrono::milliseconds>& timeout) { return timeout.value_or(0ms) + patience; }

json::object body_of(const std::optional<std::chrono::milliseconds>& timeout) {
  if (!timeout) return {};
  return {{"timeout_ms", timeout->count()}};
}

void tell_ended(const std::string& name, const json::object& answer, Format format) {
  if (format == Format::json) return print_json(answer);
  if (flag_field(answer, "already")) return print(fmt::format("{} is {} already\n", name, text_field(answer, "state")));
  std::uint64_t took = 0;
  for (const json::object& step : objects_field(answer, "steps")) took += number_field(step, "took_ms");
  print(fmt::format("{} {} ({}, {:.1f} s)\n", name, text_field(answer, "state"), text_field(answer, "ended_by"),
                    static_cast<double>(took) / 1000));
}

Result<json::object> command(const Context& context, const VmOptions& options, const std::string& target,
                             std::optional<std::chrono::milliseconds> timeout) {
  TRY(context.finder.check_exists(options.name));
  TRY_ASSIGN(os::CommandLock lock, context.finder.lock(options.name));
  TRY_ASSIGN(FoundVm found, context.finder.find(options.name, &lock));
  if (!found.running()) {
    return fail(fmt::format("{} is {}; start it with `vmline start {}`", options.name, text_field(found.vm, "state"), options.name),
                ErrorKind::conflict);
  }
  auto answer = context.finder.client(options.name).put(target, body_of(timeout), limit_of(timeout));
  if (!answer) {
    // Not asked again by itself: it may have been done.
    if (is_lost_connection(answer.error()))
      return fail(fmt::format("{}: the keeper ended before it had told how {} went", options.name, target));
    return std::unexpected(answer.error());
  }
  if (!answer->is_object()) return fail("the keeper's answer is no object");
  return std::move(answer->get_object());
}

Result<int> begin_anew(const Context& context, const VmOptions& options, const char* verb,
                       std::optional<std::chrono::milliseconds> timeout) {
  TRY_ASSIGN(json::object result, command(context, options, fmt::format("/v1/vm/{}", verb), timeout));
  if (options.format == Format::json) {
    print_json(result);
  } else {
    bool by_guest = text_field(result, "how") == "guest";
    print(
        fmt::format("{} {}, boot {}\n", options.name, by_guest ? "was rebooted by its guest" : "was reset", number_field(result, "boot")));
  }
  return 0;
}

}  // namespace

Result<json::object> end_vm(const Context& context, const std::string& name, Ending ending,
                            std::optional<std::chrono::milliseconds> timeout, const os::CommandLock* lock) {
  const char* target = ending == Ending::stop ? "/v1/vm/stop" : "/v1/vm/kill";
  auto deadline = std::chrono::steady_clock::now() + limit_of(timeout);
  while (true) {
    TRY_ASSIGN(FoundVm found, context.finder.find(name, lock));
    if (!found.running())
      return json::object{{"state", text_field(found.vm, "state")}, {"ended_by", ""}, {"steps", json::array()}, {"already", true}};
    Departure departure(context.places, name, found.vm);
    auto answer = context.finder.client(name).put(target, ending == Ending::stop ? body_of(timeout) : json::object(), limit_of(timeout));
    if (answer) {
      if (!answer->is_object()) return fail("the keeper's answer is no object");
      TRY(departure.wait(departure_limit));
      return std::move(answer->get_object());
    }
    // A keeper that died over it has a successor that goes on with the stop; asking again finds out how it went.
    if (!is_lost_connection(answer.error()) || std::chrono::steady_clock::now() >= deadline)
      return std::unexpected(answer.error().because(name));
  }
}

Result<int> stop(const Context& context, const StopOptions& options) {
  TRY(context.finder.check_exists(options.name));
  TRY_ASSIGN(os::CommandLock lock, context.finder.lock(options.name));
  TRY_ASSIGN(json::object answer, end_vm(context, options.name, Ending::stop, options.timeout, &lock));
  tell_ended(options.name, answer, options.format);
  if (text_field(answer, "ended_by") == "SIGKILL")
    complain(fmt::format("{} had to be killed: neither guest nor monitor ended when asked to; its disks may lack the guest's last writes",
                         options.name));
  return 0;
}

Result<int> kill(const Context& context, const VmOptions& options) {
  // Without the lock: it is what helps against a command that hangs.
  TRY_ASSIGN(json::object answer, end_vm(context, options.name, Ending::kill, {}, nullptr));
  tell_ended(options.name, answer, options.format);
  return 0;
}

Result<int> reboot(const Context& context, const StopOptions& options) { return begin_anew(context, options, "reboot", options.timeout); }

Result<int> reset(const Context& context, const VmOptions& options) { return begin_anew(context, options, "reset", {}); }

Result<int> pause(const Context& context, const VmOptions& options, bool pause) {
  TRY_ASSIGN(json::object result, command(context, options, pause ? "/v1/vm/pause" : "/v1/vm/resume", {}));
  if (options.format == Format::json)
    print_json(result);
  else
    print(fmt::format("{} is {}{}\n", options.name, text_field(result, "state"), flag_field(result, "already") ? " already" : ""));
  return 0;
}

Result<int> nmi(const Context& context, const VmOptions& options) {
  TRY(command(context, options, "/v1/vm/nmi", {}));
  return 0;
}

}  // namespace vmline::cli
