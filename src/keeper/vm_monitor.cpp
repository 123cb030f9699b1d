// SPDX-License-Identifier: Apache-2.0
// The monitor's start: its sockets and TAPs, its sidecars, the process, the guest's boot; see vm.hpp.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "keeper/start_record.hpp"
#include "keeper/vm.hpp"
#include "os/files.hpp"
#include "os/tap.hpp"
#include "os/unix_socket.hpp"

namespace vmline::keeper {

using namespace boost::asio::experimental::awaitable_operators;

void Vm::make_monitor() {
  monitor_ = driver_->monitor({.executor = parts_.loop.get_executor(),
                               .spec = &spec_,
                               .endpoints = endpoints_,
                               .control_in = control_in_.get(),
                               .id_prefix = fmt::format("{}-{}", ::getpid(), state_.keepers),
                               .started = state_.monitor_started});
  if (!monitor_is_up_ && !plan_.processes.empty()) monitor_->ended();
  if (!control_out_) return;
  auto spool = os::Spool::open(parts_.memory_dir, "control", 0);
  if (!spool) return parts_.log.error(spool.error().sentence());
  control_ = std::make_unique<ControlStream>(parts_.loop, std::move(*spool), std::move(control_out_), state_.control_handled);
  control_->on_bytes = [this](std::span<const std::byte> bytes, Offset end) {
    auto events = monitor_->feed(bytes);
    Offset handled = end - std::min<Offset>(monitor_->unfinished(), end);
    // What came of the events and that they are handled is one step: a keeper killed in between would count a boot twice.
    save_later_ = true;
    if (auto started = monitor_->started()) state_.monitor_started = started;
    monitor_events(events);
    state_.control_handled = std::max(state_.control_handled, handled);
    save_later_ = false;
    save();
    return handled;
  };
  control_->run();
}

void Vm::watch_monitor(pid_t pid, UniqueFd pidfd) {
  monitor_watch_.reset();
  monitor_pid_ = pid;
  monitor_pidfd_ = std::move(pidfd);
  monitor_is_up_ = true;
  monitor_watch_ = std::make_unique<Watch>(parts_.loop, monitor_pidfd_.get());
  monitor_watch_->wait(Watch::For::read, [this] {
    monitor_is_up_ = false;
    sidecars_->stand_by();
    if (monitor_) monitor_->ended();
    changed_.notify();
  });
}

Result<> Vm::make_listener(const vmm::Listener& listener) {
  TRY(os::remove_file(listener.path));
  TRY_ASSIGN(UniqueFd socket, os::listen_at(listener.path));
  if (listener.kept) (void)::fcntl(socket.get(), F_SETFL, O_RDWR);
  parts_.holder.hold(listener.held, socket.get());
  held_[listener.held] = std::move(socket);
  return {};
}

Result<> Vm::take_listener(const vmm::Listener& listener) {
  UniqueFd socket = inherited(listener.held);
  // Where everything of ours has died a sidecar has it still, and may wait on it for the monitor, which knows its path.
  if (!socket) {
    socket = sidecars_->take_back(listener.held);
    if (socket) parts_.holder.hold(listener.held, socket.get());
  }
  if (!socket) return make_listener(listener);
  held_[listener.held] = std::move(socket);
  return {};
}

Result<> Vm::make_taps() {
  for (const vmm::Tap& tap : plan_.taps) {
    bool had = std::ranges::any_of(state_.taps, [&](const OwnTap& own) { return own.name == tap.name && own.netns == tap.netns; });
    TRY_ASSIGN(bool there, os::tap_exists(tap.name, tap.netns));
    if (there && (had || !tap.ours.value_or(false))) continue;
    if (there)
      return fail(fmt::format("TAP {} is there already: say \"ours\": false to use it, or give another name", tap.name),
                  ErrorKind::conflict);
    if (!tap.ours.value_or(true)) return fail(fmt::format("no TAP {}: make it, or leave out \"ours\": false", tap.name));
    // Noted before it is made: whoever comes after a SIGKILL removes it.
    if (!had) state_.taps.push_back({tap.name, tap.netns});
    if (auto saved = state_.save(parts_.memory_dir); !saved) return saved;
    os::TapRequest request{
        .name = tap.name, .netns = tap.netns, .bridge = tap.bridge, .alias = os::tap_alias(parts_.places.root(), parts_.name)};
    request.owner = spec_.uid;
    request.group = spec_.gid;
    TRY(os::make_tap(request));
  }
  return {};
}

void Vm::remove_taps() {
  for (const OwnTap& tap : state_.taps) {
    auto removed = os::remove_tap(tap.name, tap.netns, os::tap_alias(parts_.places.root(), parts_.name));
    if (!removed) parts_.log.error(removed.error().sentence());
  }
  state_.taps.clear();
}

asio::awaitable<Result<>> Vm::start_monitor() {
  for (const vmm::Listener& listener : plan_.listeners) {
    if (listener.kept && held_.contains(listener.held)) continue;
    if (auto made = make_listener(listener); !made) co_return made;
  }
  for (const std::string& path : plan_.bound_by_monitor) {
    if (auto removed = os::remove_file(path); !removed) co_return removed;
  }
  if (auto made = make_taps(); !made) co_return made;
  for (const vmm::LinePlan& line : plan_.lines) {
    if (!line.monitor_binds) continue;
    if (auto removed = os::remove_file(line.socket_path); !removed) co_return removed;
  }
  for (const std::string& path : plan_.bound_by_monitor) {
    if (auto removed = os::remove_stale_socket(path); !removed) co_return removed;
  }
  auto held = co_await all_held();
  if (!held) co_return held;
  sidecars_->plan(plan_.processes);
  if (auto started = co_await sidecars_->start(); !started) co_return started;
  for (const vmm::Process& process : plan_.processes) {
    if (process.sidecar) {
      state_.virtiofsd = process.argv[0];
      continue;
    }
    std::string identity_path = run_path(process.name + ".pid");
    auto record = make_start_record(process, identity_path);
    if (!record) co_return std::unexpected(record.error());
    struct Outcome {
      std::optional<Result<HeldProcess>> result;
    };
    auto outcome = std::make_shared<Outcome>();
    // Before it is started: who takes this up after a SIGKILL is told by the holder only that it is there.
    state_.monitor_started = monitor_begun_ = std::chrono::steady_clock::now();
    state_.binary = process.argv[0];
    state_.exit_status.reset();
    state_.signal.reset();
    ended_status_.reset();  // before it is asked for: how it ended may be told in one with its start
    save();
    parts_.holder.start_process(process.name, std::move(*record), identity_path, [this, outcome](Result<HeldProcess> result) {
      outcome->result = std::move(result);
      changed_.notify();
    });
    bool answered = co_await changed_.wait_for(std::chrono::seconds(30), [&outcome] { return outcome->result.has_value(); });
    if (!answered) co_return fail(fmt::format("start {}: the holder does not answer", process.argv[0]), ErrorKind::timed_out);
    if (!*outcome->result) co_return std::unexpected(outcome->result->error().because(process.argv[0]));
    HeldProcess child = std::move(**outcome->result);
    if (auto identity = os::ProcessIdentity::of(child.pid)) state_.monitor = *identity;
    save();
    watch_monitor(child.pid, std::move(child.pidfd));
  }
  // The monitor has its own copies: a listener of ours beside it would keep connections waiting that nobody will answer when it has ended.
  for (const vmm::Listener& listener : plan_.listeners) {
    if (listener.kept) continue;
    parts_.holder.drop(listener.held);
    held_.erase(listener.held);
  }
  co_return Result<>{};
}

asio::awaitable<Result<>> Vm::boot_guest() {
  auto state = co_await monitor_->state();
  if (!state) co_return std::unexpected(state.error());
  if (*state == vmm::GuestState::none) {
    if (auto created = co_await monitor_->create(); !created) co_return created;
  }
  if (auto dialled = co_await dial_lines(); !dialled) co_return dialled;
  if (*state == vmm::GuestState::none || *state == vmm::GuestState::created) {
    if (auto started = co_await monitor_->start(); !started) co_return started;
  }
  co_return Result<>{};
}

// Firecracker does not append: a log that is emptied under it would get a hole.
void Vm::limit_log() {
  if (plan_.processes.empty() || spec_.driver == api::DriverKind::firecracker) return;
  log_cap_ = std::make_unique<LogCap>(parts_.loop, parts_.disks, parts_.log, endpoints_.monitor_log, limits::monitor_log);
}

void Vm::learn_monitor() {
  limit_log();
  if (!state_.monitor || !state_.monitor->learn_executable()) return;
  if (auto written = os::write_file(run_path("monitor.pid"), state_.monitor->line()); !written)
    parts_.log.warning(written.error().sentence());
}

asio::awaitable<Result<>> Vm::run_monitor() {
  if (!plan_.processes.empty()) {
    if (auto started = co_await start_monitor(); !started) co_return started;
  }
  make_monitor();
  // A monitor waits for its sidecars for long.
  auto outcome = co_await (boot_guest() || sidecars_->hopeless_one());
  if (outcome.index() == 1) {
    auto tail = co_await log_tail();
    co_return fail(fmt::format("{} fails each time it is started{}{}", std::get<1>(outcome), tail.empty() ? "" : ": ",
                               tail.empty() ? "" : tail.back()));
  }
  if (!std::get<0>(outcome)) co_return std::get<0>(outcome);
  learn_monitor();
  set_state("running", "");
  guest_is_ready();
  co_return Result<>{};
}

}  // namespace vmline::keeper
