// SPDX-License-Identifier: Apache-2.0
// A running Firecracker by its HTTP API. It says nothing by itself: its guest's reboot is its own end.
#include <fmt/format.h>

#include <boost/asio.hpp>
#include <boost/json.hpp>
#include <cerrno>
#include <chrono>

#include "base/limits.hpp"
#include "vmm/firecracker/answer.hpp"
#include "vmm/firecracker/firecracker.hpp"
#include "vmm/firecracker/requests.hpp"
#include "vmm/unix_http.hpp"

namespace vmline::vmm::firecracker {
namespace {

class ApiMonitor final : public Monitor {
 public:
  explicit ApiMonitor(const MonitorContext& context) : spec_(*context.spec), endpoints_(context.endpoints) {}

  asio::awaitable<Result<>> create() override {
    auto requests = config_requests(spec_, endpoints_);
    if (!requests) co_return std::unexpected(requests.error());
    for (Put& request : *requests) {
      auto done = co_await tell("PUT", std::move(request.target), std::move(request.body), limits::monitor_start_time);
      if (!done) co_return done;
    }
    co_return Result<>{};
  }

  asio::awaitable<Result<>> start() override { co_return co_await act("InstanceStart", limits::monitor_start_time); }

  asio::awaitable<Result<GuestState>> state() override {
    auto answer = co_await ask("GET", "/", "", limits::monitor_answer_time);
    if (!answer) co_return std::unexpected(answer.error());
    auto state = state_in(answer->body);
    if (!state) co_return std::unexpected(state.error().because("firecracker GET /"));
    if (*state != GuestState::created) co_return state;
    auto config = co_await ask("GET", "/vm/config", "", limits::monitor_answer_time);
    if (!config) co_return std::unexpected(config.error());
    co_return is_configured(config->body) ? GuestState::created : GuestState::none;
  }

  asio::awaitable<Result<>> power_button() override { co_return co_await act("SendCtrlAltDel", limits::monitor_answer_time); }

  asio::awaitable<Result<>> pause() override { co_return co_await put_state("Paused"); }
  asio::awaitable<Result<>> resume() override { co_return co_await put_state("Resumed"); }

  asio::awaitable<Result<>> reset() override { co_return lacks("no reset but its end"); }
  asio::awaitable<Result<>> quit() override { co_return lacks("no way to be asked to leave but a signal"); }

  std::vector<MonitorEvent> feed(std::span<const std::byte>) override { return {}; }
  void ended() override { ended_ = true; }

 private:
  static Result<> lacks(const char* what) { return fail(std::string("firecracker has ") + what, ErrorKind::conflict); }

  asio::awaitable<Result<>> act(std::string type, std::chrono::milliseconds limit) {
    co_return co_await tell("PUT", "/actions", R"({"action_type":")" + type + R"("})", limit);
  }

  asio::awaitable<Result<>> put_state(std::string state) {
    co_return co_await tell("PATCH", "/vm", R"({"state":")" + state + R"("})", limits::monitor_answer_time);
  }

  asio::awaitable<Result<>> tell(std::string method, std::string target, std::string body, std::chrono::milliseconds limit) {
    auto answer = co_await ask(std::move(method), std::move(target), std::move(body), limit);
    if (!answer) co_return std::unexpected(answer.error());
    co_return Result<>{};
  }

  asio::awaitable<Result<HttpAnswer>> ask(std::string method, std::string target, std::string body, std::chrono::milliseconds limit) {
    std::string what = "firecracker " + method + " " + target;
    const HttpRequest request{endpoints_.api_socket, std::move(method), std::move(target), std::move(body), limit};
    // It binds its socket some milliseconds after its start; a descriptor of ours it does not take.
    asio::steady_timer pause(co_await asio::this_coro::executor);
    auto patience = std::chrono::steady_clock::now() + limits::monitor_answer_time;
    for (;;) {
      if (ended_) co_return fail(what + ": it has ended");
      HttpRequest attempt = request;
      auto answer = co_await ask_http(std::move(attempt));
      if (answer) {
        answered_ = true;
        if (answer->status >= 300) co_return fail(fmt::format("{}: {}", what, refusal(answer->body)));
        co_return answer;
      }
      int number = answer.error().number();
      bool too_early = !answered_ && (number == ENOENT || number == ECONNREFUSED) && std::chrono::steady_clock::now() < patience;
      if (!too_early) co_return std::unexpected(answer.error().because(what));
      pause.expires_after(std::chrono::milliseconds(1));
      co_await pause.async_wait(asio::use_awaitable);
    }
  }

  const api::Spec& spec_;
  const Endpoints endpoints_;
  bool answered_ = false;  ///< it has bound its socket
  bool ended_ = false;
};

class Firecracker final : public Driver {
 public:
  Result<Plan> plan(const api::Spec& spec, const Endpoints& endpoints, const Host& host) const override {
    return make_plan(spec, endpoints, host);
  }
  Result<std::vector<ApiRequest>> requests(const api::Spec& spec, const Endpoints& endpoints) const override {
    TRY_ASSIGN(std::vector<Put> puts, config_requests(spec, endpoints));
    std::vector<ApiRequest> all;
    for (Put& put : puts) all.push_back({"PUT", std::move(put.target), std::move(put.body)});
    all.push_back({"PUT", "/actions", R"({"action_type":"InstanceStart"})"});
    return all;
  }
  std::vector<StopStep> stop_steps(const api::Spec& spec) const override { return make_stop_steps(spec); }
  std::unique_ptr<Monitor> monitor(const MonitorContext& context) const override { return make_monitor(context); }
};

}  // namespace

std::unique_ptr<Monitor> make_monitor(const MonitorContext& context) { return std::make_unique<ApiMonitor>(context); }
std::unique_ptr<Driver> make_driver() { return std::make_unique<Firecracker>(); }

}  // namespace vmline::vmm::firecracker
