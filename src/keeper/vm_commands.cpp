// SPDX-License-Identifier: Apache-2.0
// Stopping, rebooting, resetting; see vm.hpp.
#include <fmt/format.h>
#include <signal.h>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "keeper/vm.hpp"
#include "os/process_identity.hpp"

namespace vmline::keeper {
namespace {

using namespace std::chrono_literals;
using namespace boost::asio::experimental::awaitable_operators;
using Milliseconds = std::chrono::milliseconds;

Result<std::optional<Milliseconds>> timeout_in(const json::object& arguments) {
  auto* value = arguments.if_contains("timeout_ms");
  if (!value) return std::optional<Milliseconds>{};
  if (!value->is_int64() || value->as_int64() < 0 || value->as_int64() > 86'400'000) {
    return fail("/timeout_ms: not a number of milliseconds from 0 to 86400000", ErrorKind::usage);
  }
  return std::optional(Milliseconds(value->as_int64()));
}

}  // namespace

asio::awaitable<Result<json::object>> Vm::command(std::string name, json::object arguments) {
  auto limit = timeout_in(arguments);
  if (!limit) co_return std::unexpected(limit.error());
  // A kill overtakes a stop that waits for its guest; everything else waits its turn.
  bool overtakes = name == "kill" && busy_ == "stop";
  if (!busy_.empty() && !overtakes) co_return fail(fmt::format("{} is being carried out on {}", busy_, parts_.name), ErrorKind::conflict);
  if (finished_) co_return fail(parts_.name + " has ended", ErrorKind::conflict);
  if (overtakes && monitor_pidfd_) {
    os::signal_process(monitor_pidfd_.get(), SIGKILL);
    co_await changed_.wait_for(30s, [this] { return finished_; });
    co_return json::object{{"state", state_.state}, {"ended_by", "SIGKILL"}, {"steps", json::array{}}, {"already", false}};
  }
  busy_ = name;
  Result<json::object> result = fail("no such command: " + name, ErrorKind::not_found);
  if (name == "stop" || name == "kill")
    result = co_await stop(std::move(arguments), name == "kill");
  else if (name == "reboot")
    result = co_await reboot(*limit);
  else if (name == "reset")
    result = co_await reset();
  else if (name == "pause" || name == "resume")
    result = co_await hold_still(name == "pause");
  else if (name == "nmi" || name == "break")
    result = co_await interrupt(name, std::move(arguments));
  busy_.clear();
  co_return result;
}

asio::awaitable<void> Vm::monitor_gone() {
  while (monitor_is_up_) co_await changed_.wait();
}

asio::awaitable<Result<>> Vm::act(vmm::StopStep::Action action) {
  using Action = vmm::StopStep::Action;
  if (action == Action::terminate || action == Action::kill) {
    os::signal_process(monitor_pidfd_.get(), action == Action::kill ? SIGKILL : SIGTERM);
    co_return Result<>{};
  }
  if (!monitor_) co_return fail("the monitor is not ready yet", ErrorKind::conflict);
  // The monitor may end while it is asked: then nobody answers, and nobody needs to.
  // (By a variable: GCC 12 destroys a temporary in a conditional inside a co_await twice.)
  asio::awaitable<Result<>> asked;
  if (action == Action::power_button)
    asked = monitor_->power_button();
  else
    asked = monitor_->quit();
  auto answer = co_await (std::move(asked) || monitor_gone());
  if (answer.index() == 1) co_return Result<>{};
  co_return std::get<0>(std::move(answer));
}

asio::awaitable<json::array> Vm::walk(std::vector<vmm::StopStep> steps, std::string& ended_by) {
  json::array walked;
  for (const vmm::StopStep& step : steps) {
    if (!monitor_is_up_) break;
    auto begin = std::chrono::steady_clock::now();
    auto done = co_await act(step.action);
    bool ended = !monitor_is_up_;
    std::string result = "ended";
    if (!done) {
      result = done.error().sentence();
    } else if (!ended) {
      ended = co_await changed_.wait_for(step.limit, [this] { return !monitor_is_up_; });
      if (!ended) result = "still running";
    }
    auto took = std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - begin).count();
    json::object told{{"step", step.name}, {"result", result}, {"took_ms", took}};
    events_->add("stop-step", told);
    walked.push_back(told);
    if (ended) ended_by = step.name;
  }
  co_return walked;
}

asio::awaitable<Result<json::object>> Vm::stop(json::object arguments, bool kill) {
  auto limit = timeout_in(arguments);
  if (!limit) co_return std::unexpected(limit.error());
  api::Spec spec = spec_;
  if (*limit) spec.stop.guest = **limit;
  state_.wanted = "stopped";
  state_.stop_reason = kill ? "killed on request" : "stopped on request";
  set_state("stopping", "");
  std::vector<vmm::StopStep> steps{{"SIGKILL", vmm::StopStep::Action::kill, spec.stop.term}};
  if (!kill) steps = driver_->stop_steps(spec);
  std::string ended_by = plan_.processes.empty() ? "closed" : "";
  json::array walked = co_await walk(std::move(steps), ended_by);
  if (monitor_is_up_) {
    co_return fail(fmt::format("stop {}: process {} of {} survives SIGKILL (it hangs in the kernel, perhaps on a disk)", parts_.name,
                               monitor_pid_, state_.binary));
  }
  changed_.notify();
  co_await changed_.wait_for(120s, [this] { return finished_; });
  if (ended_by.empty()) ended_by = "itself";
  co_return json::object{{"state", state_.state}, {"reason", state_.reason}, {"ended_by", ended_by}, {"steps", walked}, {"already", false}};
}

asio::awaitable<Result<json::object>> Vm::hold_still(bool pause) {
  if (!monitor_ || !monitor_is_up_) co_return fail(parts_.name + " is not running", ErrorKind::conflict);
  bool paused = state_.state == "paused";
  if (paused == pause) co_return json::object{{"state", state_.state}, {"already", true}};
  // (By a variable: see act.)
  asio::awaitable<Result<>> asked = pause ? monitor_->pause() : monitor_->resume();
  auto done = co_await std::move(asked);
  if (!done) co_return std::unexpected(done.error());
  // Where the monitor tells by an event, it has been heard or will be: the same again changes nothing.
  if (pause && (state_.state == "running" || state_.state == "ready")) set_state("paused", "");
  if (!pause && state_.state == "paused") {
    set_state("running", "");
    guest_is_ready();
  }
  co_return json::object{{"state", state_.state}, {"already", false}};
}

asio::awaitable<Result<json::object>> Vm::interrupt(std::string kind, json::object arguments) {
  if (!monitor_ || !monitor_is_up_) co_return fail(parts_.name + " is not running", ErrorKind::conflict);
  asio::awaitable<Result<>> asked;
  if (kind == "nmi")
    asked = monitor_->nmi();
  else
    asked = monitor_->send_break(std::string(arguments.at("line").as_string()));
  auto done = co_await std::move(asked);
  if (!done) co_return std::unexpected(done.error());
  co_return json::object{{"sent", kind}};
}

asio::awaitable<Result<json::object>> Vm::reset() {
  if (!monitor_ || !monitor_is_up_) co_return fail(parts_.name + " is not running", ErrorKind::conflict);
  std::uint64_t before = state_.boot;
  if (plan_.end_is_reboot) {
    // It has no reset: run() starts it again on the same line.
    restart_asked_ = true;
    state_.again_cause = "reset";
    os::signal_process(monitor_pidfd_.get(), SIGKILL);
    bool up = co_await changed_.wait_for(
        60s, [&] { return finished_ || (state_.boot > before && monitor_is_up_ && state_.state != "starting"); });
    restart_asked_ = false;
    if (!up || finished_) co_return fail(fmt::format("reset {}: it does not come up again: {}", parts_.name, state_.reason));
    co_return json::object{{"how", "reset"}, {"boot", state_.boot}};
  }
  auto done = co_await monitor_->reset();
  if (!done) co_return std::unexpected(done.error());
  bool seen = co_await changed_.wait_for(10s, [&] { return state_.boot > before || !monitor_is_up_; });
  if (!seen || state_.boot == before)
    co_return fail(fmt::format("reset {}: the monitor took it, and no new boot was seen", parts_.name), ErrorKind::timed_out);
  co_return json::object{{"how", "reset"}, {"boot", state_.boot}};
}

asio::awaitable<Result<json::object>> Vm::reboot(std::optional<Milliseconds> limit) {
  if (!monitor_ || !monitor_is_up_) co_return fail(parts_.name + " is not running", ErrorKind::conflict);
  std::uint64_t before = state_.boot;
  restart_asked_ = true;
  auto pressed = co_await act(vmm::StopStep::Action::power_button);
  bool ended = false;
  if (pressed)
    ended = co_await changed_.wait_for(limit.value_or(spec_.stop.guest), [&] { return !monitor_is_up_ || state_.boot > before; });
  if (!ended) {
    restart_asked_ = false;
    busy_ = "reboot";
    co_return co_await reset();
  }
  // run() starts it again on the same line.
  bool up =
      co_await changed_.wait_for(60s, [&] { return finished_ || (state_.boot > before && monitor_is_up_ && state_.state != "starting"); });
  restart_asked_ = false;
  if (!up || finished_)
    co_return fail(fmt::format("reboot {}: the guest powered off, and did not come up again: {}", parts_.name, state_.reason));
  co_return json::object{{"how", "guest"}, {"boot", state_.boot}};
}

}  // namespace vmline::keeper
