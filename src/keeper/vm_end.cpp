// SPDX-License-Identifier: Apache-2.0
// The monitor's end, and the VM's; see vm.hpp.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cstring>

#include "keeper/vm.hpp"
#include "os/files.hpp"
#include "os/unix_socket.hpp"
#include "vmm/host.hpp"

namespace vmline::keeper {
namespace {

using namespace std::chrono_literals;

/// Held once the VM has ended and is being cleared away.
constexpr const char* ended_mark = "ended";

constexpr std::size_t tail_bytes = 4096;
constexpr std::size_t tail_lines = 10;
/// Ends within a second of the start, in a row, before there is a pause.
constexpr unsigned quick_ends_free = 100;
/// Of the newest events, those are looked at that an earlier keeper may have told without noting it.
constexpr std::size_t told_kept = 100;

/// Runs on a disk thread: the last lines of the monitor's log.
std::vector<std::string> read_tail(const std::string& path) {
  std::vector<std::string> lines;
  auto file = os::open_file("log", path, O_RDONLY);
  if (!file) return lines;
  off_t size = ::lseek(file->get(), 0, SEEK_END);
  off_t from = std::max<off_t>(0, size - static_cast<off_t>(tail_bytes));
  std::string text(static_cast<std::size_t>(size - from), '\0');
  ssize_t n = ::pread(file->get(), text.data(), text.size(), from);
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    std::string line = text.substr(0, end);
    // It goes into JSON: whatever a monitor writes, this is text.
    std::ranges::replace_if(line, [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
    if (!line.empty()) lines.push_back(std::move(line));
    text.erase(0, end == std::string::npos ? text.size() : end + 1);
  }
  if (lines.size() > tail_lines) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(tail_lines));
  return lines;
}

}  // namespace

asio::awaitable<std::vector<std::string>> Vm::log_tail() {
  struct Outcome {
    bool done = false;
    std::vector<std::string> lines;
  };
  auto outcome = std::make_shared<Outcome>();
  files_.run([this, outcome, path = endpoints_.monitor_log] {
    auto lines = read_tail(path);
    parts_.disks.complete([this, outcome, lines = std::move(lines)]() mutable {
      *outcome = {true, std::move(lines)};
      changed_.notify();
    });
  });
  co_await changed_.wait_for(2s, [&outcome] { return outcome->done; });
  co_return outcome->lines;
}

// Returns whether it is to be run again.
asio::awaitable<bool> Vm::monitor_ended() {
  // The holder's word on how it ended comes a moment after its end.
  if (!ended_status_) co_await changed_.wait_for(1s, [this] { return ended_status_.has_value(); });
  int status = ended_status_.value_or(-1);
  if (control_) control_->drain();
  for (auto& line : lines_) co_await line->drain();
  std::string how = "its exit status is not known: vmline was not its parent";
  bool clean = status == -1;
  state_.exit_status.reset();
  state_.signal.reset();
  if (status != -1 && WIFSIGNALED(status)) {
    state_.signal = WTERMSIG(status);
    how = fmt::format("killed by SIG{}",
                      sigabbrev_np(*state_.signal) ? sigabbrev_np(*state_.signal) : std::to_string(*state_.signal).c_str());
  } else if (status != -1) {
    state_.exit_status = WEXITSTATUS(status);
    clean = *state_.exit_status == 0;
    how = fmt::format("exit status {}", *state_.exit_status);
  }
  log_tail_ = co_await log_tail();
  events_->add("monitor-ended", {{"exit_status", state_.exit_status ? json::value(*state_.exit_status) : json::value(nullptr)},
                                 {"signal", state_.signal ? json::value(*state_.signal) : json::value(nullptr)}});
  parts_.holder.forget_process("monitor");
  monitor_watch_.reset();
  monitor_.reset();
  control_.reset();
  state_.monitor.reset();
  state_.boot_begun = false;
  state_.ready.reset();
  state_.old_until.clear();
  (void)os::remove_file(run_path("monitor.pid"));

  if (!failure_.empty()) {
    // We ended it ourselves.
    clean = false;
    how = std::exchange(failure_, {});
  }
  if (state_.wanted == "stopped") {
    set_state("stopped", state_.stop_reason);
    co_return false;
  }
  if (plan_.end_is_reboot && clean && !restart_asked_) {
    // One that reboots at once, again and again, has a pause before it at last.
    bool quick = std::chrono::steady_clock::now() - monitor_begun_ < 1s;
    quick_ends_ = quick ? quick_ends_ + 1 : 0;
    state_.again_cause = "guest reboot";
    set_state("starting", "the guest rebooted");
    if (quick_ends_ > quick_ends_free) co_await changed_.wait_for(500ms, [this] { return state_.wanted == "stopped"; });
    if (state_.wanted != "stopped") co_return true;
    set_state("stopped", state_.stop_reason);
    co_return false;
  }
  bool again = restart_asked_ || spec_.restart == api::Restart::always || (spec_.restart == api::Restart::on_failure && !clean);
  if (!again) {
    if (clean)
      set_state("stopped", status == -1 ? how : "the guest powered off");
    else
      set_state("failed",
                fmt::format("{}: {}{}{}", state_.binary, how, log_tail_.empty() ? "" : ": ", log_tail_.empty() ? "" : log_tail_.back()));
    co_return false;
  }
  if (!restart_asked_) {
    ++state_.restarts;
    auto pause = std::min<std::chrono::milliseconds>(30s, 100ms * (1 << std::min<std::uint64_t>(state_.restarts, 9)));
    set_state("starting", fmt::format("{}: {}; starting it again in {} ms", state_.binary, how, pause.count()));
    co_await changed_.wait_for(pause, [this] { return state_.wanted == "stopped"; });
    if (state_.wanted == "stopped") {
      set_state("stopped", state_.stop_reason);
      co_return false;
    }
  } else {
    set_state("starting", "rebooting");
  }
  co_return true;
}

void Vm::clean_up(bool keep_memory) {
  // What we listened on for the monitor lies where the user said; where somebody else listens there, we never did.
  for (const vmm::LinePlan& line : plan_.lines) {
    if (held_.contains("listen-upstream:" + line.name)) (void)os::remove_file(line.socket_path);
  }
  for (const std::string& path : plan_.bound_by_monitor) (void)os::remove_stale_socket(path);
  // The holder's lock lies in it and goes with it: whoever starts this VM next makes the folder anew.
  if (run_dir_ != parts_.memory_dir) (void)os::remove_tree(run_dir_);
  if (!keep_memory) (void)parts_.places.remove_memory_dir(parts_.name);
}

asio::awaitable<void> Vm::finish() {
  co_await sidecars_->stop(2s);
  remove_taps();
  bool journaled = true;
  std::string reason = state_.reason.empty() ? state_.state : state_.state + ": " + state_.reason;
  for (auto& line : lines_) journaled = co_await line->finish(reason, 2s, 20s) && journaled;
  publish();
  auto written = std::make_shared<bool>(false);
  files_.run([this, written] {
    parts_.disks.complete([this, written] {
      *written = true;
      changed_.notify();
    });
  });
  co_await changed_.wait_for(5s, [&written] { return *written; });
  // From here on a keeper may find nothing of the VM any more, and must not take that for one that is to be started.
  if (UniqueFd mark{::open("/dev/null", O_RDONLY | O_CLOEXEC)}) {
    parts_.holder.hold(ended_mark, mark.get());
    held_[ended_mark] = std::move(mark);
    auto held = co_await all_held();
    if (!held) parts_.log.warning(held.error().sentence());
  }
  // What a full or frozen disk did not take stays in the spool: the next start goes on with it.
  clean_up(!journaled);
  if (!journaled) parts_.log.warning("the journal is not complete yet: what it lacks stays in " + parts_.memory_dir);
  finished_ = true;
  changed_.notify();
}

asio::awaitable<void> Vm::give_up(const Error& error) {
  if (monitor_is_up_) {
    os::signal_process(monitor_pidfd_.get(), SIGKILL);
    co_await changed_.wait_for(5s, [this] { return !monitor_is_up_; });
  }
  if (control_) control_->drain();
  for (auto& line : lines_) co_await line->drain();
  set_state("failed", error.sentence());
  std::string kind = error.kind() == ErrorKind::usage       ? "usage"
                     : error.kind() == ErrorKind::timed_out ? "timed_out"
                     : error.kind() == ErrorKind::conflict  ? "conflict"
                                                            : "failed";
  co_await finish();
  report({{"result", "error"}, {"kind", kind}, {"detail", error.sentence()}});
}

/// The VM has ended, and the keeper was killed before it had cleared away what is left of it.
asio::awaitable<void> Vm::go_on_ending(bool cleared) {
  auto taken = co_await take_up();
  if (taken) {
    for (auto& line : lines_) co_await line->drain();
    co_await finish();
  } else {
    // All is journaled and told where it was being cleared away; else what there is stays.
    if (!cleared) parts_.log.error(taken.error().sentence());
    clean_up(!cleared);
  }
  if (state_.state == "failed")
    report({{"result", "error"}, {"kind", "failed"}, {"detail", state_.reason}});
  else
    report({{"result", "ok"}, {"state", state_.state}});
  parts_.holder.quit();
}

asio::awaitable<void> Vm::run(HolderLink::Inheritance inheritance) {
  inheritance_ = std::move(inheritance);
  report_ = inherited("report");
  auto events = [&]() -> Result<std::unique_ptr<EventLog>> {
    TRY(parts_.places.make_memory_dir(parts_.name));
    return EventLog::open(parts_.loop, parts_.memory_dir + "/events");
  }();
  if (!events) {
    report({{"result", "error"}, {"kind", "failed"}, {"detail", events.error().sentence()}});
    parts_.log.error(events.error().sentence());
    parts_.holder.quit();
    co_return;
  }
  events_ = std::move(*events);
  std::uint64_t next = events_->next_sequence();
  for (Event& event : events_->since(next > told_kept ? next - told_kept : 1, told_kept)) {
    if (event.type == "match") told_before_.push_back(std::move(event.details));
  }
  sidecars_ = std::make_unique<Sidecars>(Sidecars::Shared{parts_.loop, parts_.holder, parts_.log, *events_, run_dir_});
  auto kept = RuntimeState::load(parts_.memory_dir);
  // A state that says it has ended is of this very life: whoever begins another removes it first.
  bool cleared = inheritance_.descriptors.contains(ended_mark);
  bool fresh = !kept && !cleared;
  if (kept)
    state_ = std::move(*kept);
  else if (cleared)
    state_.state = "stopped";
  ++state_.keepers;

  parts_.holder.on_ended = [this](const std::string& name, int status) {
    if (sidecars_->ended(name, status) || name != "monitor") return;
    ended_status_ = status;
    changed_.notify();
  };
  parts_.holder.on_accepted = [this](const std::string& name, UniqueFd connection) {
    for (auto& line : lines_) {
      if (name.starts_with("client:" + line->spec().name + ":")) return line->accept(name, std::move(connection));
    }
    parts_.holder.refuse(name);
  };
  parts_.holder.on_new_holder = [this](const std::string& why) {
    ++state_.holders;
    save();
    events_->add("holder-started", {{"pid", parts_.holder.holder_pid()}, {"why", why}});
    parts_.log.warning("the holder was replaced: " + why);
  };
  events_->add("keeper-started", {{"pid", ::getpid()}, {"keeper", state_.keepers}});
  if (has_ended()) co_return co_await go_on_ending(cleared);

  // Commands are heard from the first moment on; `run` and `ps` wait for what they need.
  UniqueFd control = inherited("control");
  if (!control) {
    auto made = os::make_folders(run_dir_, 0700);
    auto listening = made ? os::listen_at(parts_.places.control_socket(parts_.name)) : Result<UniqueFd>(std::unexpected(made.error()));
    if (!listening) {
      co_await give_up(listening.error());
      parts_.holder.quit();
      co_return;
    }
    control = std::move(*listening);
    parts_.holder.hold("control", control.get());
  }
  held_["control"] = UniqueFd(::fcntl(control.get(), F_DUPFD_CLOEXEC, 0));
  auto serve = [&] { server_ = std::make_unique<ControlServer>(parts_.loop, std::move(control), *this, parts_.log); };
  // A start is slow and can be stopped; a VM that is taken up answers when it can answer truly, a few milliseconds later.
  if (fresh || state_.state == "starting") serve();
  Result<> begun;
  if (fresh)
    begun = co_await begin();
  else
    begun = co_await take_up();
  if (!server_) serve();
  bool up = begun.has_value();
  if (!begun) {
    Error error = begun.error().because((fresh ? "start " : "take up ") + parts_.name);
    co_await give_up(error);
  } else if (plan_.processes.empty() || monitor_is_up_) {
    report({{"result", "ok"}, {"state", state_.state}});
  }
  if (up && state_.wanted == "stopped") {
    // A stop was under way when the keeper before this one was killed.
    asio::co_spawn(parts_.loop, command("stop", {}), asio::detached);
  }
  while (up) {
    co_await changed_.wait_for(24h, [this] { return plan_.processes.empty() ? state_.wanted == "stopped" : !monitor_is_up_; });
    bool again = false;
    if (plan_.processes.empty()) {
      if (state_.wanted != "stopped") continue;
      for (auto& line : lines_) co_await line->take_leave(1s);
      set_state("stopped", state_.stop_reason);
    } else if (!monitor_is_up_) {
      again = co_await monitor_ended();
    } else {
      continue;
    }
    if (!again) {
      co_await finish();
      report({{"result", "ok"}, {"state", state_.state}});
      break;
    }
    auto restarted = co_await start_again();
    if (!restarted) {
      Error error = restarted.error().because("start " + parts_.name + " again");
      co_await give_up(error);
      break;
    }
    // Where it had ended before it was taken up, a command has waited for this.
    report({{"result", "ok"}, {"state", state_.state}});
  }
  server_->close(state_.state);
  co_await server_->closed();
  parts_.holder.quit();
}

asio::awaitable<Result<>> Vm::start_again() {
  auto plan = vmm::make_plan(spec_, endpoints_, process_environment());
  if (!plan) co_return std::unexpected(plan.error());
  plan_ = std::move(*plan);
  monitor_pidfd_.reset();
  if (auto made = make_endpoints(); !made) co_return made;
  begin_boot(cause_of_restart());
  co_return co_await run_monitor();
}

}  // namespace vmline::keeper
