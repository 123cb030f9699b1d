// SPDX-License-Identifier: Apache-2.0
// The processes beside the monitor; see sidecars.hpp.
#include "keeper/sidecars.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "keeper/start_record.hpp"
#include "os/files.hpp"
#include "os/process_identity.hpp"

namespace vmline::keeper {
namespace {

using namespace std::chrono_literals;

/// One that has lived for less than this failed; it is started again after a pause that doubles, up to the longest.
constexpr auto short_life = 1s;
/// After so many short lives in a row a VM that is being started is not going to have it.
constexpr unsigned hopeless = 5;
constexpr std::chrono::milliseconds monitor_end{2};
constexpr std::chrono::milliseconds first_pause{100};
constexpr std::chrono::milliseconds longest_pause{5000};

}  // namespace

struct Sidecars::Sidecar {
  explicit Sidecar(asio::io_context& loop) : pause(loop) {}

  vmm::Process process;
  pid_t pid = 0;  ///< 0: it does not run
  UniqueFd pidfd;
  bool starting = false;
  std::uint64_t restarts = 0;
  unsigned failures = 0;  ///< short lives in a row
  std::chrono::steady_clock::time_point begun;
  asio::steady_timer pause;
};

Sidecars::Sidecars(Shared shared) : shared_(std::move(shared)), changed_(shared_.loop) {}
Sidecars::~Sidecars() = default;

void Sidecars::plan(const std::vector<vmm::Process>& processes) {
  for (const vmm::Process& process : processes) {
    if (!process.sidecar) continue;
    auto& one = all_[process.name];
    if (!one) one = std::make_unique<Sidecar>(shared_.loop);
    one->process = process;
  }
}

void Sidecars::adopt(std::map<std::string, HeldProcess, std::less<>>& inherited) {
  for (auto& [name, one] : all_) {
    if (auto held = inherited.find(name); held != inherited.end() && held->second.pidfd) {
      if (held->second.ended) continue;
      one->pid = held->second.pid;
      one->pidfd = std::move(held->second.pidfd);
      continue;
    }
    auto identity = os::ProcessIdentity::load(fmt::format("{}/{}.pid", shared_.run_dir, name));
    auto pidfd = identity ? identity->open() : std::nullopt;
    if (!pidfd || os::ends_within(pidfd->get(), 20ms)) continue;
    shared_.holder.watch_process(name, identity->pid, pidfd->get());
    one->pid = identity->pid;
    one->pidfd = std::move(*pidfd);
  }
}

UniqueFd Sidecars::take_back(const std::string& held) const {
  for (const auto& [name, one] : all_) {
    if (!one->pidfd) continue;
    for (const vmm::DescriptorAction& action : one->process.descriptors) {
      if (action.source != vmm::DescriptorAction::Source::held || action.text != held) continue;
      auto taken = os::take_descriptor(one->pidfd.get(), action.target);
      if (taken) return std::move(*taken);
      shared_.log.warning(taken.error().because(fmt::format("take {} back from {}", held, name)).sentence());
    }
  }
  return {};
}

asio::awaitable<Result<>> Sidecars::start() {
  wanted_ = true;
  for (auto& [name, one] : all_) {
    if (one->pid != 0) continue;
    auto started = co_await start_one(*one);
    if (!started) co_return started;
  }
  co_return Result<>{};
}

asio::awaitable<Result<>> Sidecars::start_one(Sidecar& one) {
  const std::string& name = one.process.name;
  std::string identity = fmt::format("{}/{}.pid", shared_.run_dir, name);
  auto record = make_start_record(one.process, identity);
  if (!record) co_return std::unexpected(record.error());
  struct Outcome {
    std::optional<Result<HeldProcess>> result;
  };
  auto outcome = std::make_shared<Outcome>();
  one.starting = true;
  shared_.holder.start_process(name, std::move(*record), identity,
                               [this, &one, outcome, alive = std::weak_ptr<bool>(alive_)](Result<HeldProcess> result) {
                                 if (alive.expired()) return;
                                 // At once: the news of its end may be the next that comes.
                                 if (result) {
                                   one.pid = result->pid;
                                   one.pidfd = std::move(result->pidfd);
                                   one.begun = std::chrono::steady_clock::now();
                                 }
                                 outcome->result = std::move(result);
                                 changed_.notify();
                               });
  bool answered = co_await changed_.wait_for(30s, [&outcome] { return outcome->result.has_value(); });
  one.starting = false;
  if (!answered) co_return fail(fmt::format("start {}: the holder does not answer", one.process.argv[0]), ErrorKind::timed_out);
  if (!*outcome->result) co_return std::unexpected(outcome->result->error().because(one.process.argv[0]));
  co_return Result<>{};
}

bool Sidecars::ended(const std::string& name, int status) {
  auto it = all_.find(name);
  if (it == all_.end()) return false;
  Sidecar& one = *it->second;
  one.pid = 0;
  one.pidfd.reset();
  shared_.holder.forget_process(name);
  std::string how = status == -1 ? "ended"
                    : WIFSIGNALED(status)
                        ? fmt::format("was killed by SIG{}", sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?")
                    : WEXITSTATUS(status) ? fmt::format("failed with exit status {}", WEXITSTATUS(status))
                                          : "ended";
  shared_.events.add("sidecar-ended", {{"sidecar", name}, {"how", how}});
  changed_.notify();
  // Let go by its monitor, as at each reboot of the guest, it ends with 0.
  bool failed = status != 0 && std::chrono::steady_clock::now() - one.begun < short_life;
  one.failures = failed ? one.failures + 1 : 0;
  if (wanted_) run_again(one);
  return true;
}

void Sidecars::run_again(Sidecar& one) {
  if (one.failures == hopeless) changed_.notify();
  // The monitor asks for the next one at once; or it has ended, which is known a moment after its connections have.
  auto pause = one.failures < 3 ? monitor_end : std::min(longest_pause, first_pause * (1 << std::min(one.failures - 3, 10u)));
  one.pause.expires_after(pause);
  one.pause.async_wait([this, &one, alive = std::weak_ptr<bool>(alive_)](boost::system::error_code error) {
    if (error || alive.expired() || !wanted_ || one.pid != 0 || one.starting) return;
    ++one.restarts;
    asio::co_spawn(
        shared_.loop,
        [](Sidecars& self, Sidecar& it) -> asio::awaitable<void> {
          auto started = co_await self.start_one(it);
          if (started) {
            self.shared_.events.add("sidecar-started", {{"sidecar", it.process.name}, {"pid", it.pid}});
          } else {
            self.shared_.log.error(started.error().sentence());
            ++it.failures;
            self.run_again(it);
          }
        }(*this, one),
        asio::detached);
  });
}

asio::awaitable<std::string> Sidecars::hopeless_one() {
  std::string found;
  while (found.empty()) {
    for (const auto& [name, one] : all_) {
      if (one->failures >= hopeless) found = fmt::format("{} ({})", name, one->process.argv[0]);
    }
    if (found.empty()) co_await changed_.wait();
  }
  co_return found;
}

bool Sidecars::any_lives() const {
  return std::ranges::any_of(all_, [](const auto& entry) { return entry.second->pid != 0 || entry.second->starting; });
}

asio::awaitable<void> Sidecars::stop(std::chrono::milliseconds limit) {
  wanted_ = false;
  for (int signal : {SIGTERM, SIGKILL}) {
    for (auto& [name, one] : all_) {
      one->pause.cancel();
      if (one->pidfd) os::signal_process(one->pidfd.get(), signal);
    }
    if (co_await changed_.wait_for(limit, [this] { return !any_lives(); })) break;
  }
  for (auto& [name, one] : all_) (void)os::remove_file(fmt::format("{}/{}.pid", shared_.run_dir, name));
}

json::array Sidecars::info() const {
  json::array all;
  for (const auto& [name, one] : all_) {
    all.push_back({{"name", name},
                   {"binary", one->process.argv[0]},
                   {"pid", one->pid != 0 ? json::value(one->pid) : json::value(nullptr)},
                   {"restarts", one->restarts}});
  }
  return all;
}

}  // namespace vmline::keeper
