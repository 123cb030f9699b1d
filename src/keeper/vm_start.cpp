// SPDX-License-Identifier: Apache-2.0
// How a VM begins, and how a later keeper takes it up again: both make what is missing and take what is held; see vm.hpp.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>

#include "keeper/vm.hpp"
#include "os/environment.hpp"
#include "os/files.hpp"
#include "os/unix_socket.hpp"
#include "vmm/host.hpp"
#include "vmm/seed.hpp"
#include "wire/api/spec_json.hpp"

namespace vmline::keeper {

std::vector<std::string> Vm::process_environment() {
  std::vector<std::string> all = os::environment();
  // What one holder tells the next is not for monitors.
  std::erase_if(all, [](const std::string& entry) { return entry.starts_with("VMLINE_HOLDER_"); });
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
    auto file = os::open_file("seed", endpoints_.seed, O_RDONLY);
    auto given = file ? give_to_monitor(file->get(), endpoints_.seed) : Result<>(std::unexpected(file.error()));
    if (!given) co_return given;
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
    if (auto identity = os::ProcessIdentity::load(run_path("monitor.pid"))) state_.monitor = *identity;
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
      limit_log();
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
