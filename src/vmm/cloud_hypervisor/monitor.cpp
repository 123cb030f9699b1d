// SPDX-License-Identifier: Apache-2.0
// A running Cloud Hypervisor by its HTTP API; its events by the stream that the keeper feeds.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>

#include "base/limits.hpp"
#include "vmm/cloud_hypervisor/answer.hpp"
#include "vmm/cloud_hypervisor/cloud_hypervisor.hpp"
#include "vmm/cloud_hypervisor/event_stream.hpp"
#include "vmm/cloud_hypervisor/vm_config.hpp"
#include "vmm/unix_http.hpp"

namespace vmline::vmm::cloud_hypervisor {
namespace {

class ApiMonitor final : public Monitor {
 public:
  explicit ApiMonitor(const MonitorContext& context) : spec_(*context.spec), endpoints_(context.endpoints), started_(context.started) {}

  asio::awaitable<Result<>> create() override {
    auto config = vm_config(spec_, endpoints_);
    if (!config) co_return std::unexpected(config.error());
    co_return co_await put("vm.create", boost::json::serialize(*config), limits::monitor_start_time);
  }

  // Never twice: a boot that failed leaves v46 and v52 with an empty VM, which a second one would "boot".
  asio::awaitable<Result<>> start() override {
    boot_asked_ = std::chrono::steady_clock::now();
    co_return co_await put("vm.boot", "", limits::monitor_start_time);
  }

  asio::awaitable<Result<GuestState>> state() override {
    auto answer = co_await ask("GET", "vm.info", "", limits::monitor_answer_time);
    if (!answer) co_return std::unexpected(answer.error());
    auto state = state_in(*answer);
    if (!state) co_return std::unexpected(state.error().because("cloud-hypervisor vm.info"));
    co_return state;
  }

  asio::awaitable<Result<>> power_button() override { co_return co_await put("vm.power-button", "", limits::monitor_answer_time); }

  asio::awaitable<Result<>> reset() override { co_return co_await put("vm.reboot", "", limits::monitor_start_time); }

  asio::awaitable<Result<>> pause() override { co_return co_await put("vm.pause", "", limits::monitor_answer_time); }

  asio::awaitable<Result<>> resume() override { co_return co_await put("vm.resume", "", limits::monitor_answer_time); }

  asio::awaitable<Result<>> nmi() override { co_return co_await put("vm.nmi", "", limits::monitor_answer_time); }

  asio::awaitable<Result<>> send_break(std::string line) override {
    co_return fail("line " + line + ": cloud-hypervisor's serial port takes no break", ErrorKind::conflict);
  }

  asio::awaitable<Result<>> quit() override {
    // The VM first, so that its disks are flushed; one that is not there or has stopped already is no reason to stay.
    auto answer = co_await ask("PUT", "vm.shutdown", "", limits::monitor_answer_time);
    if (!answer && answer.error().kind() == ErrorKind::timed_out) co_return std::unexpected(answer.error());
    co_return co_await put("vmm.shutdown", "", limits::monitor_answer_time);
  }

  std::vector<MonitorEvent> feed(std::span<const std::byte> bytes) override {
    Time wall_now = std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
    SteadyTime now = std::chrono::steady_clock::now();
    std::optional<Time> started;
    if (started_) started = wall_now - (now - *started_);
    events_.set_started(started);
    auto events = events_.feed(bytes);
    // It says `booting` after it was asked to: it was started no earlier than its own clock's reading before that.
    for (const MonitorEvent& event : events) {
      if (event.text != "vm booting" || !boot_asked_ || !started || !event.at) continue;
      started_ = std::max(*started_, *boot_asked_ - (*event.at - *started));
      boot_asked_.reset();
    }
    return events;
  }
  [[nodiscard]] std::optional<SteadyTime> started() const override { return started_; }
  [[nodiscard]] std::size_t unfinished() const override { return events_.unfinished(); }

 private:
  asio::awaitable<Result<HttpAnswer>> ask(std::string method, std::string call, std::string body, std::chrono::milliseconds limit) {
    // A variable: GCC 12 copies an aggregate made within a co_await expression bit by bit, and frees its strings twice.
    HttpRequest request{endpoints_.api_socket, std::move(method), "/api/v1/" + call, std::move(body), limit};
    auto answer = co_await ask_http(std::move(request));
    if (!answer) co_return std::unexpected(answer.error().because("cloud-hypervisor " + call));
    co_return answer;
  }

  asio::awaitable<Result<>> put(std::string call, std::string body, std::chrono::milliseconds limit) {
    auto answer = co_await ask("PUT", call, std::move(body), limit);
    if (!answer) co_return std::unexpected(answer.error());
    if (answer->status >= 300) co_return fail(fmt::format("cloud-hypervisor {}: {}", call, refusal(answer->body)));
    co_return Result<>{};
  }

  const api::Spec& spec_;
  const Endpoints endpoints_;
  EventStream events_;
  std::optional<SteadyTime> started_;     ///< not before that
  std::optional<SteadyTime> boot_asked_;  ///< and no `booting` has come of it yet
};

class CloudHypervisor final : public Driver {
 public:
  Result<Plan> plan(const api::Spec& spec, const Endpoints& endpoints, const Host& host) const override {
    return make_plan(spec, endpoints, host);
  }
  Result<std::vector<ApiRequest>> requests(const api::Spec& spec, const Endpoints& endpoints) const override {
    TRY_ASSIGN(const boost::json::object config, vm_config(spec, endpoints));
    return std::vector<ApiRequest>{{"PUT", "/api/v1/vm.create", boost::json::serialize(config)}, {"PUT", "/api/v1/vm.boot", ""}};
  }
  std::vector<StopStep> stop_steps(const api::Spec& spec) const override { return make_stop_steps(spec); }
  std::unique_ptr<Monitor> monitor(const MonitorContext& context) const override { return make_monitor(context); }
};

}  // namespace

std::unique_ptr<Monitor> make_monitor(const MonitorContext& context) { return std::make_unique<ApiMonitor>(context); }
std::unique_ptr<Driver> make_driver() { return std::make_unique<CloudHypervisor>(); }

}  // namespace vmline::vmm::cloud_hypervisor
