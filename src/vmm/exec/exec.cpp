// SPDX-License-Identifier: Apache-2.0
// See exec.hpp.
#include "vmm/exec/exec.hpp"

#include <fcntl.h>

namespace vmline::vmm::exec {
namespace {

using Source = DescriptorAction::Source;

constexpr int terminal_descriptor = 1001;  ///< high, out of the command's way

/// What has no API of its own. Only signals reach it.
class NoApi final : public Monitor {
 public:
  explicit NoApi(std::string who) : who_(std::move(who)) {}
  asio::awaitable<Result<>> create() override { co_return Result<>{}; }
  asio::awaitable<Result<>> start() override { co_return Result<>{}; }
  asio::awaitable<Result<GuestState>> state() override { co_return GuestState::running; }
  asio::awaitable<Result<>> power_button() override { co_return refuse("power button"); }
  asio::awaitable<Result<>> reset() override { co_return refuse("reset"); }
  asio::awaitable<Result<>> quit() override { co_return refuse("way to be asked to leave but a signal"); }
  std::vector<MonitorEvent> feed(std::span<const std::byte>) override { return {}; }

 private:
  Result<> refuse(const char* what) const { return fail(who_ + " has no " + what, ErrorKind::conflict); }
  std::string who_;
};

Result<Plan> plan_command(const api::Spec& spec, const Endpoints& endpoints, const Host& host) {
  if (spec.command.empty()) return fail("driver exec needs a command", ErrorKind::usage);
  if (endpoints.lines.size() != 1 || endpoints.lines[0].upstream != api::UpstreamKind::carried) {
    return fail("driver exec has exactly one line, the command's stdin and stdout: carried", ErrorKind::usage);
  }
  const LineEndpoint& endpoint = endpoints.lines[0];
  Plan plan;
  plan.fifos.push_back({endpoint.output_fifo, false});
  LinePlan line{.name = endpoint.name, .output_fifo = endpoint.output_fifo};
  Process process{
      .name = "monitor", .argv = spec.command, .environment = host.environment, .directory = spec.directory.empty() ? "/" : spec.directory};
  process.argv[0] = host.binary;
  // Every FIFO read-write, by an open of the command's own: it never sees us come and go, and no O_NONBLOCK of ours.
  if (spec.pty) {
    std::string held = "pty:" + endpoint.name;
    line.typing = Typing::terminal;
    plan.terminals.push_back({endpoint.name, held, terminal_descriptor, true});
    process.descriptors.push_back({Source::pty_slave, 0, held, 0});
    process.allow_ptrace = true;
  } else {
    line.typing = Typing::fifo;
    line.input_fifo = endpoint.input_fifo;
    plan.fifos.push_back({endpoint.input_fifo, false});
    process.descriptors.push_back({Source::path, 0, endpoint.input_fifo, O_RDWR});
  }
  process.descriptors.push_back({Source::path, 1, endpoint.output_fifo, O_RDWR});
  process.descriptors.push_back({Source::path, 2, endpoints.monitor_log, O_WRONLY | O_CREAT | O_APPEND});
  for (const Terminal& terminal : plan.terminals) process.descriptors.push_back({Source::held, terminal.inherited, terminal.held, 0});
  plan.lines.push_back(std::move(line));
  plan.processes.push_back(std::move(process));
  return plan;
}

class Exec final : public Driver {
 public:
  Result<Plan> plan(const api::Spec& spec, const Endpoints& endpoints, const Host& host) const override {
    return plan_command(spec, endpoints, host);
  }
  std::vector<StopStep> stop_steps(const api::Spec& spec) const override {
    // A command is given what a guest and a monitor would have had together: SIGTERM is all the asking there is.
    return {{"SIGTERM", StopStep::Action::terminate, spec.stop.guest}, {"SIGKILL", StopStep::Action::kill, spec.stop.term}};
  }
  std::unique_ptr<Monitor> monitor(const MonitorContext&) const override { return std::make_unique<NoApi>("a command"); }
};

class Foreign final : public Driver {
 public:
  Result<Plan> plan(const api::Spec&, const Endpoints& endpoints, const Host&) const override {
    Plan plan;
    for (const LineEndpoint& endpoint : endpoints.lines) {
      if (endpoint.upstream == api::UpstreamKind::carried) {
        return fail("line " + endpoint.name + ": somebody else's monitor is dialled or listened for", ErrorKind::usage);
      }
      plan.lines.push_back(
          {.name = endpoint.name, .upstream = endpoint.upstream, .typing = Typing::socket, .socket_path = endpoint.socket_path});
    }
    return plan;
  }
  std::vector<StopStep> stop_steps(const api::Spec&) const override { return {}; }
  std::unique_ptr<Monitor> monitor(const MonitorContext&) const override { return std::make_unique<NoApi>("somebody else's monitor"); }
};

}  // namespace

std::unique_ptr<Driver> make_driver() { return std::make_unique<Exec>(); }
std::unique_ptr<Driver> make_foreign_driver() { return std::make_unique<Foreign>(); }

}  // namespace vmline::vmm::exec
