// SPDX-License-Identifier: Apache-2.0
// How a VM begins, and how a later keeper takes it up again: both make what is missing and take what is held; see vm.hpp.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>

#include "keeper/start_record.hpp"
#include "keeper/vm.hpp"
#include "os/files.hpp"
#include "os/tap.hpp"
#include "os/unix_socket.hpp"
#include "vmm/host.hpp"
#include "vmm/seed.hpp"
#include "wire/api/spec_json.hpp"

namespace vmline::keeper {

using namespace boost::asio::experimental::awaitable_operators;

std::vector<std::string> Vm::process_environment() {
  std::vector<std::string> all;
  for (char** entry = environ; *entry; ++entry) {
    // What one holder tells the next is not for monitors.
    if (std::string_view(*entry).starts_with("VMLINE_HOLDER_")) continue;
    all.emplace_back(*entry);
  }
  return all;
}

UniqueFd Vm::inherited(const std::string& name) {
  auto it = inheritance_.descriptors.find(name);
  if (it == inheritance_.descriptors.end()) return {};
  UniqueFd fd = std::move(it->second);
  inheritance_.descriptors.erase(it);
  return fd;
}

Result<> Vm::load_spec(const std::string& path) {
  TRY_ASSIGN(std::string text, os::read_file(path, limits::spec_file));
  TRY_ASSIGN(spec_, api::parse_spec(text));
  endpoints_ = vmm::endpoints_of(spec_, run_dir_, vm_dir_ + "/monitor.log");
  driver_ = vmm::make_driver(spec_.driver);
  return {};
}

// A keeper that was killed while it let a client go.
void Vm::drop_orphaned_cursors() {
  std::vector<std::string> orphans;
  for (const auto& [name, fd] : inheritance_.descriptors) {
    if (name.starts_with(wire::holder::cursor_prefix)) orphans.push_back(name);
  }
  for (const std::string& name : orphans) {
    parts_.holder.drop(name);
    inheritance_.descriptors.erase(name);
  }
}

asio::awaitable<Result<>> Vm::all_held() {
  // Requests are answered in their order: when this one is held, so is all before it.
  struct Outcome {
    bool done = false;
    int error = 0;
  };
  auto outcome = std::make_shared<Outcome>();
  parts_.holder.sync([this, outcome](int error) {
    *outcome = {true, error};
    changed_.notify();
  });
  bool answered = co_await changed_.wait_for(std::chrono::seconds(10), [&outcome] { return outcome->done; });
  if (!answered) co_return fail("the holder does not answer", ErrorKind::timed_out);
  if (outcome->error != 0) co_return std::unexpected(Error::system("hold what must outlive us", outcome->error));
  co_return Result<>{};
}

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
    if (spec_.uid) request.owner = *spec_.uid;
    if (spec_.gid) request.group = *spec_.gid;
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

void Vm::learn_monitor() {
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

asio::awaitable<Result<>> Vm::begin() {
  if (auto made = os::make_folders(vm_dir_ + "/lines", 0700); !made) co_return made;
  if (auto made = os::make_folders(run_dir_, 0700); !made) co_return made;
  if (auto loaded = load_spec(vm_dir_ + "/spec.json"); !loaded) co_return loaded;
  // The copy that later keepers read lies on the tmpfs: no disk is waited for to take a line up again.
  if (auto copied = os::write_file(parts_.memory_dir + "/spec.json", boost::json::serialize(api::to_json(spec_))); !copied)
    co_return copied;
  if (spec_.cloud_init) {
    auto seeded = vmm::write_seed(endpoints_.seed, *spec_.cloud_init, spec_.machine_id, spec_.name);
    if (!seeded) co_return seeded;
  }
  auto plan = vmm::make_plan(spec_, endpoints_, process_environment());
  if (!plan) co_return std::unexpected(plan.error());
  plan_ = std::move(*plan);
  // Boots are numbered over the VM's whole life.
  if (auto last = os::read_file(vm_dir_ + "/state.json", 1u << 20)) {
    boost::system::error_code ignored;
    auto value = json::parse(*last, ignored);
    if (!ignored && value.is_object()) {
      if (auto* boot = value.as_object().if_contains("boot"); boot && boot->is_int64())
        state_.boot = static_cast<std::uint64_t>(boot->as_int64());
    }
  }
  set_state("starting", "");
  if (auto made = co_await make_lines(true); !made) co_return made;
  if (auto made = make_listeners(); !made) co_return made;
  if (auto made = make_endpoints(); !made) co_return made;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    if (auto connected = connect_line(*lines_[i], plan_.lines[i]); !connected) co_return connected;
  }
  begin_boot(state_.boot == 0 ? "first start" : "start");
  auto up = co_await run_monitor();
  // A monitor that was started and has ended says why better than its API's silence does.
  if (!up && monitor_pidfd_ && !monitor_is_up_) {
    auto tail = co_await log_tail();
    co_return fail(fmt::format("{} ended at once{}{}", state_.binary, tail.empty() ? "" : ": ", tail.empty() ? "" : tail.back()));
  }
  co_return up;
}

asio::awaitable<Result<>> Vm::take_up() {
  if (auto loaded = load_spec(parts_.memory_dir + "/spec.json"); !loaded) co_return loaded;
  // The monitor runs: what it needed of the host for its start (its kernel, KVM) may be gone since, and is not looked at.
  auto plan = driver_->plan(spec_, endpoints_,
                            {.binary = state_.binary,
                             .environment = {},
                             .kvm_opens = true,
                             .kvm_error = {},
                             .virtiofsd = state_.virtiofsd,
                             .cpu_virtualizes = true});
  if (!plan) co_return std::unexpected(plan.error());
  plan_ = std::move(*plan);
  if (auto it = inheritance_.processes.find("monitor"); it != inheritance_.processes.end() && it->second.pidfd) {
    bool ended = it->second.ended;
    int status = it->second.status;
    if (auto identity = os::ProcessIdentity::of(it->second.pid); identity && !ended) state_.monitor = *identity;
    watch_monitor(it->second.pid, std::move(it->second.pidfd));
    if (ended) {
      monitor_is_up_ = false;
      ended_status_ = status;
    }
  } else if (state_.monitor || ::access(run_path("monitor.pid").c_str(), F_OK) == 0) {
    // Nobody of ours was left: the monitor is known by who it is, or, where we were killed before we could note that, by what it wrote.
    if (auto written = os::read_file(run_path("monitor.pid"), 256)) {
      if (auto identity = os::ProcessIdentity::parse(*written)) state_.monitor = *identity;
    }
    if (state_.monitor) {
      auto pidfd = state_.monitor->open();
      // One that had not come to its first instruction ends with its holder, and is started anew.
      if (pidfd && !(state_.state == "starting" && os::ends_within(pidfd->get(), std::chrono::milliseconds(20)))) {
        parts_.holder.watch_process("monitor", state_.monitor->pid, pidfd->get());
        watch_monitor(state_.monitor->pid, std::move(*pidfd));
      }
    }
  }
  bool died_unheard = state_.monitor && !monitor_pidfd_ && state_.state != "starting";
  sidecars_->plan(plan_.processes);
  sidecars_->adopt(inheritance_.processes);
  if (monitor_pidfd_) {
    for (const vmm::Listener& listener : plan_.listeners) {
      if (!listener.kept) continue;
      if (auto taken = take_listener(listener); !taken) co_return taken;
    }
  }
  // Killed while it began: whatever is not there yet is made now.
  bool beginning = state_.state == "starting" && !monitor_pidfd_;
  if (auto made = co_await make_lines(beginning); !made) co_return made;
  if (auto made = make_endpoints(); !made) co_return made;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    Line& line = *lines_[i];
    if (auto connected = connect_line(line, plan_.lines[i]); !connected) co_return connected;
    if (died_unheard && plan_.lines[i].upstream == api::UpstreamKind::carried) line.note_loss(line::cause_died_unheard);
    std::string prefix = "client:" + line.spec().name + ":";
    std::vector<std::string> names;
    for (const auto& [name, fd] : inheritance_.descriptors) {
      if (name.starts_with(prefix)) names.push_back(name);
    }
    for (const std::string& name : names) {
      UniqueFd connection = inherited(name);
      UniqueFd cursor = inherited("cursor:" + name.substr(7));
      if (cursor)
        line.take_over(name, std::move(connection), std::move(cursor));
      else
        line.accept(name, std::move(connection));  // it has seen nothing yet
    }
  }
  drop_orphaned_cursors();
  if (auto made = make_listeners(); !made) co_return made;
  if (has_ended()) co_return Result<>{};
  if (state_.state == "starting" && !state_.boot_begun) {
    begin_boot(!state_.last_boots.empty() ? cause_of_restart() : state_.boot == 0 ? "first start" : "start");
  }
  if (plan_.processes.empty() || monitor_pidfd_) {
    make_monitor();
    if (state_.state == "starting" && (monitor_is_up_ || plan_.processes.empty())) {
      if (auto booted = co_await boot_guest(); !booted) co_return booted;
      set_state("running", "");
      guest_is_ready();
    } else if (auto dialled = co_await dial_lines(); !dialled) {
      co_return dialled;
    }
    if (monitor_is_up_) {
      if (auto started = co_await sidecars_->start(); !started) parts_.log.error(started.error().sentence());
    }
  } else if (beginning) {
    // Killed before it was started, or the monitor with its holder before its first instruction: start it now.
    auto fresh = vmm::make_plan(spec_, endpoints_, process_environment());
    if (!fresh) co_return std::unexpected(fresh.error());
    plan_ = std::move(*fresh);
    if (auto up = co_await run_monitor(); !up) co_return up;
  }
  save();
  co_return Result<>{};
}

}  // namespace vmline::keeper
