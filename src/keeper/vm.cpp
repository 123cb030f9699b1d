// SPDX-License-Identifier: Apache-2.0
// A VM's state, as it is told and kept; see vm.hpp.
#include "keeper/vm.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <limits>
#include <utility>

#include "keeper/clock.hpp"
#include "os/files.hpp"
#include "os/process_identity.hpp"
#include "wire/api/spec_json.hpp"
#include "wire/api/time.hpp"
#include "wire/api/version.hpp"

namespace vmline::keeper {

using namespace std::chrono_literals;

namespace {
/// Bytes: what a guest says as it reboots (Linux: "reboot: Restarting system"). Less than this is taken for no boot of its own.
constexpr Offset last_words = 1024;
/// Matches of one rule that are told.
constexpr unsigned words_a_second = 16;
}  // namespace

Vm::Vm(Parts parts)
    : parts_(std::move(parts)),
      vm_dir_(parts_.places.vm_dir(parts_.name)),
      run_dir_(parts_.places.run_dir(parts_.name)),
      files_(parts_.disks.worker()),
      reboot_watch_(parts_.loop),
      old_boot_(parts_.loop),
      changed_(parts_.loop) {}

Vm::~Vm() = default;

std::string Vm::run_path(std::string_view file) const { return fmt::format("{}/{}", run_dir_, file); }

void Vm::save() {
  if (save_later_) return;
  if (auto saved = state_.save(parts_.memory_dir); !saved) parts_.log.error(saved.error().sentence());
}

void Vm::set_state(const std::string& state, const std::string& reason) {
  state_.state = state;
  state_.reason = reason;
  state_.since = wall_clock();
  save();
  if (events_) events_->add("state", {{"state", state}, {"reason", reason}});
  parts_.log.info(reason.empty() ? state : fmt::format("{}: {}", state, reason));
  publish();
  changed_.notify();
}

void Vm::publish() {
  files_.run([path = vm_dir_ + "/state.json", text = json::serialize(info())] { (void)os::write_file(path, text); });
}

void Vm::report(json::object message) {
  if (!report_) return;
  bool last = message.contains("result");
  std::string line = json::serialize(message) + "\n";
  // Whoever asked may have gone (EPIPE), and reads a pipe that has room for hundreds of such lines.
  (void)!::write(report_.get(), line.data(), line.size());
  if (last) {
    parts_.holder.drop("report");
    report_.reset();
  }
}

void Vm::begin_boot(const std::string& cause, const vmm::MonitorEvent* event) {
  ++state_.boot;
  state_.boot_begun = true;
  Time now = wall_clock();
  for (auto& line : lines_) {
    Offset old_until = old_boot_end(*line, event, now);
    state_.last_boots[line->spec().name] = line->begin_boot(state_.boot, cause, event ? event->at.value_or(now) : now, old_until);
  }
  state_.old_until.clear();
  old_boot_.cancel();
  reboot_watch_.cancel();
  if (state_.ready) {
    auto boot = state_.last_boots.find(state_.ready->line);
    if (boot == state_.last_boots.end() || state_.ready->offset < boot->second.offset_low) state_.ready.reset();
  }
  save();
  changed_.notify();
}

std::string Vm::cause_of_restart() {
  std::string cause = std::exchange(state_.again_cause, {});
  return !cause.empty() ? cause : restart_asked_ ? "reboot" : "monitor restart";
}

Offset Vm::old_boot_end(const Line& line, const vmm::MonitorEvent* event, Time now) const {
  constexpr Offset all_there_is = std::numeric_limits<Offset>::max();
  if (!event) return all_there_is;
  if (event->ends_boot) {
    // QEMU takes some milliseconds from its reset to the first new byte: who is here by then has the exact place.
    return event->at && now - *event->at > 4ms ? line.head_at(*event->at) : all_there_is;
  }
  auto noted = state_.old_until.find(line.spec().name);
  if (noted != state_.old_until.end()) return noted->second;
  auto last = state_.last_boots.find(line.spec().name);
  return last == state_.last_boots.end() ? 0 : last->second.offset;
}

void Vm::end_boot(const vmm::MonitorEvent& event) {
  for (auto& line : lines_) state_.old_until[line->spec().name] = event.at ? line->head_at(*event.at) : line->spool().low();
  follow_old_boot(event.at);
  // A guest that is reset from outside prints on for 0.6 ms, longer on a busy host.
  old_boot_.expires_after(1ms);
  old_boot_.async_wait([this, at = event.at](boost::system::error_code error) {
    if (!error) follow_old_boot(at);
  });
  asio::co_spawn(parts_.loop, watch_reboot(), asio::detached);
}

// Cloud Hypervisor sends no event for it: asked to reboot by its API, it stays without a VM that runs; the guest's own ends it.
asio::awaitable<void> Vm::watch_reboot() {
  for (auto pause = 250ms; !state_.old_until.empty() && pause < 60s; pause *= 2) {
    reboot_watch_.expires_after(pause);
    boost::system::error_code cancelled;
    co_await reboot_watch_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    if (cancelled || state_.old_until.empty() || !monitor_is_up_ || !monitor_) co_return;
    auto state = co_await monitor_->state();
    if (!state || *state != vmm::GuestState::created || state_.old_until.empty() || !monitor_is_up_) continue;
    failure_ = "the guest's reboot failed, and the monitor is left without a guest";
    os::signal_process(monitor_pidfd_.get(), SIGKILL);
    co_return;
  }
}

void Vm::follow_old_boot(std::optional<Time> ended) {
  for (auto& line : lines_) {
    line->catch_up();
    Offset head = line->head();
    // Nothing of the next boot is in it: to make the VM anew takes Cloud Hypervisor 2.5 to 14 ms, and then it says that it runs. (Once it
    // runs, a busy host may give the guest the CPU for a whole boot before the monitor comes to say so.)
    bool too_early = ended && wall_clock() - *ended < 2ms && control_ && !control_->more();
    if (too_early) state_.old_until[line->spec().name] = head;
  }
}

// SeaBIOS, on QEMU, makes three to five resets of one reboot, within some 200 ms and before the guest's first byte.
bool Vm::is_same_boot(std::optional<Time> at) {
  constexpr auto together = 250ms;
  if (spec_.driver != api::DriverKind::qemu) return false;
  for (auto& line : lines_) {
    auto last = state_.last_boots.find(line->spec().name);
    if (last == state_.last_boots.end() || !at || *at - last->second.time > together) return false;
    // What was read when that boot was told late may be a whole boot, if it is more than what a guest says as it goes down.
    if (last->second.offset - last->second.offset_low > last_words) return false;
    // Its first bytes may still be in the FIFO: a small guest is through with a whole boot while we are held up.
    line->catch_up();
    if (line->head() != last->second.offset) return false;
  }
  return true;
}

void Vm::guest_said(Line& line, const line::WordMatch& match) {
  const std::string& name = line.spec().name;
  state_.heard[name] = line.words_heard();
  Time now = wall_clock();
  if (!was_told(name, match) && may_tell(match.rule, now)) {
    json::object details{
        {"line", name}, {"rule", match.rule}, {"offset", match.offset}, {"boot", line.boot_at(match.offset)}, {"text", match.text}};
    if (!match.address.empty()) details["address"] = match.address;
    events_->add("match", details);
  }
  auto last = state_.last_boots.find(name);
  bool of_this_boot = last == state_.last_boots.end() || match.offset >= last->second.offset_low;
  if (match.rule == "ready" && of_this_boot) {
    state_.ready = Readiness{name, match.offset, state_.boot, match.address, now};
    guest_is_ready();
  }
  save();
}

// Told, and its keeper killed before it was noted that it had been: the event log knows.
bool Vm::was_told(const std::string& line, const line::WordMatch& match) const {
  return std::ranges::any_of(told_before_, [&](const json::object& event) {
    return event.at("line").as_string() == line && event.at("rule").as_string() == match.rule &&
           event.at("offset").to_number<Offset>() == match.offset;
  });
}

bool Vm::may_tell(const std::string& rule, Time now) {
  WordPace& pace = word_pace_[rule];
  if (now - pace.begun > 1s) pace = {now, 0};
  return ++pace.count <= words_a_second;
}

void Vm::guest_is_ready() {
  // One that is being started is told to run first.
  if (state_.ready && state_.state == "running") set_state("ready", fmt::format("at {}", state_.ready->address));
}

void Vm::monitor_events(const std::vector<vmm::MonitorEvent>& events) {
  for (const auto& event : events) {
    json::object details{{"text", event.text}};
    events_->add("monitor", details, event.at);
    bool runs_after_all = event.kind == vmm::MonitorEvent::Kind::booted && !state_.old_until.empty();
    if (event.ends_boot && !event.begins_boot) {
      end_boot(event);
    } else if (runs_after_all || (event.begins_boot && !is_same_boot(event.at))) {
      begin_boot(runs_after_all ? "booted by the monitor's API" : busy_ == "reset" || busy_ == "reboot" ? "reset" : "guest reboot", &event);
      if (state_.state == "ready") set_state("running", "the guest rebooted");
    } else if (event.kind == vmm::MonitorEvent::Kind::paused && (state_.state == "running" || state_.state == "ready")) {
      set_state("paused", "");
    } else if (event.kind == vmm::MonitorEvent::Kind::resumed && state_.state == "paused") {
      set_state("running", "");
      guest_is_ready();
    }
  }
}

json::object Vm::spec() const { return api::to_json(spec_); }

Result<LineService*> Vm::line(std::string_view name) {
  std::string known;
  for (auto& line : lines_) {
    if (line->spec().name == name) return line.get();
    known += (known.empty() ? "" : ", ") + line->spec().name;
  }
  return fail(fmt::format("{} has no line {}; it has {}", parts_.name, name, known.empty() ? "none yet" : known), ErrorKind::not_found);
}

json::object Vm::info() const {
  json::object monitor{{"pid", monitor_is_up_ ? json::value(monitor_pid_) : json::value(nullptr)}, {"binary", state_.binary}};
  if (state_.exit_status) monitor["exit_status"] = *state_.exit_status;
  if (state_.signal) monitor["signal"] = *state_.signal;
  json::array tail;
  for (const std::string& line : log_tail_) tail.emplace_back(line);
  monitor["log_tail"] = tail;
  json::array lines;
  for (const auto& line : lines_) lines.push_back(line->info());
  json::array warnings;
  for (const std::string& warning : plan_.warnings) warnings.emplace_back(warning);
  json::value ready;
  if (state_.ready) {
    ready = {{"line", state_.ready->line},
             {"offset", state_.ready->offset},
             {"boot", state_.ready->boot},
             {"address", state_.ready->address},
             {"time", api::format_time(state_.ready->time)}};
  }
  // Between the monitor's end and what is decided about it.
  bool ending =
      !monitor_is_up_ && !plan_.processes.empty() && (state_.state == "running" || state_.state == "ready" || state_.state == "paused");
  return {{"name", parts_.name},
          {"driver", api::name_of(spec_.driver)},
          {"state", ending ? "stopping" : state_.state},
          {"reason", ending ? "the monitor has ended" : state_.reason},
          {"since", api::format_time(state_.since)},
          {"boot", state_.boot},
          {"ready", ready},
          {"restarts", state_.restarts},
          {"acceleration", plan_.acceleration},
          {"monitor", monitor},
          {"keeper", {{"pid", ::getpid()}, {"version", api::version}, {"restarts", state_.keepers == 0 ? 0 : state_.keepers - 1}}},
          {"holder", {{"pid", parts_.holder.holder_pid()}, {"restarts", state_.holders}}},
          {"sidecars", sidecars_ ? sidecars_->info() : json::array{}},
          {"lines", lines},
          {"paths",
           {{"run", run_dir_},
            {"vm", vm_dir_},
            {"memory", parts_.memory_dir},
            {"control", parts_.places.control_socket(parts_.name)},
            {"monitor_log", vm_dir_ + "/monitor.log"}}},
          {"warnings", warnings}};
}

}  // namespace vmline::keeper
