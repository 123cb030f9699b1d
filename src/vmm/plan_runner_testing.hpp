// SPDX-License-Identifier: Apache-2.0
// For tests: carries a plan out as the keeper and holder do, with plain fork and exec: makes what it names, starts the monitor, reads its
// control stream and its first line. All is gone when it is destroyed.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "os/fifo.hpp"
#include "os/pty.hpp"
#include "os/unix_socket.hpp"
#include "vmm/driver.hpp"
#include "vmm/host.hpp"
#include "vmm/tiny_guest_testing.hpp"

namespace vmline::vmm {

inline std::vector<std::string> surroundings() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry; ++entry) out.emplace_back(*entry);
  return out;
}

class PlanRunner {
 public:
  explicit PlanRunner(api::Spec wanted) : spec(std::move(wanted)), driver_(make_driver(spec.driver)) {
    std::string pattern = std::filesystem::temp_directory_path() / "vmline-vmm-XXXXXX";
    folder = ::mkdtemp(pattern.data());
    if (spec.kernel.empty()) {
      spec.kernel = folder + "/kernel";
      std::ofstream(spec.kernel, std::ios::binary) << tiny_guest();
    }
    endpoints = endpoints_of(spec, folder, folder + "/monitor.log");
  }
  ~PlanRunner() {
    end(pid_);
    for (auto& [name, pid] : sidecars_) end(pid);
    std::filesystem::remove_all(folder);
  }
  PlanRunner(const PlanRunner&) = delete;
  PlanRunner& operator=(const PlanRunner&) = delete;

  /// Makes all that the plan names but its TAPs, and starts its processes.
  Result<> launch() {
    std::vector<std::string> environment = surroundings();
    TRY_ASSIGN(plan, make_plan(spec, endpoints, environment));
    for (const Fifo& fifo : plan.fifos) {
      TRY_ASSIGN(fifos_[fifo.path], os::open_fifo(fifo.path));
    }
    for (const Listener& listener : plan.listeners) {
      TRY_ASSIGN(held_[listener.held], os::listen_at(listener.path));
      if (!listener.kept) continue;
      const int fd = held_[listener.held].get();
      ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    }
    for (const std::string& path : plan.bound_by_monitor) TRY(os::remove_stale_socket(path));
    for (const Terminal& terminal : plan.terminals) {
      TRY_ASSIGN(os::Pty pty, os::Pty::create(terminal.by_lines ? os::Pty::Mode::lines : os::Pty::Mode::raw));
      held_[terminal.held] = std::move(pty.master);
      slaves_.push_back(std::move(pty.slave));
    }
    for (const LinePlan& line : plan.lines) {
      if (line.upstream != api::UpstreamKind::listen) continue;
      TRY_ASSIGN(held_["upstream"], os::listen_at(line.socket_path));
    }
    for (const Process& process : plan.processes) {
      (process.sidecar ? sidecars_[process.name] : pid_) = start(process);
    }
    monitor = attach("first");
    if (!plan.control_out.empty()) {
      read_all(fifos_[plan.control_out].get(), [this](std::string_view text) {
        for (MonitorEvent& event : monitor->feed(std::as_bytes(std::span(text)))) events.push_back(std::move(event));
      });
    }
    if (!plan.lines[0].output_fifo.empty()) {
      read_all(fifos_[plan.lines[0].output_fifo].get(), [this](std::string_view text) { output += text; });
    }
    return {};
  }

  /// A Monitor of another keeper's.
  std::unique_ptr<Monitor> attach(std::string id_prefix) {
    int control_in = plan.control_in.empty() ? -1 : fifos_[plan.control_in].get();
    return driver_->monitor({.executor = loop.get_executor(),
                             .spec = &spec,
                             .endpoints = endpoints,
                             .control_in = control_in,
                             .id_prefix = std::move(id_prefix),
                             .started = std::chrono::steady_clock::now()});
  }

  template <class T>
  T run(asio::awaitable<T> operation) {
    std::optional<T> result;
    asio::co_spawn(loop, std::move(operation), [&](std::exception_ptr error, T value) {
      EXPECT_FALSE(error);
      result = std::move(value);
    });
    until([&] { return result.has_value(); });
    return result ? std::move(*result) : T(fail("no answer within the test's limit"));
  }
  /// Runs the loop until it is so; false after 20 s.
  template <class Condition>
  bool until(Condition condition) {
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    loop.restart();
    while (!condition() && std::chrono::steady_clock::now() < end) loop.run_one_for(std::chrono::milliseconds(100));
    return condition();
  }
  void type(char key) {
    const LinePlan& line = plan.lines[0];
    int fd = line.typing == Typing::terminal ? held_["pty:" + line.name].get() : fifos_[line.input_fifo].get();
    ASSERT_EQ(::write(fd, &key, 1), 1);
  }
  /// Its wait status; -1 when it does not end.
  int wait_for_end() {
    int status = -1;
    until([&] {
      if (pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == pid_) pid_ = -1;
      return pid_ < 0;
    });
    return status;
  }
  bool sidecars_have_ended() {
    bool all = true;
    for (auto& [name, pid] : sidecars_) {
      if (pid > 0 && ::waitpid(pid, nullptr, WNOHANG) == pid) pid = -1;
      all = all && pid < 0;
    }
    return all;
  }
  void start_sidecars_again() {
    sidecars_have_ended();
    for (const Process& process : plan.processes) {
      if (process.sidecar && sidecars_[process.name] < 0) sidecars_[process.name] = start(process);
    }
  }
  int held(const std::string& name) { return held_[name].get(); }
  void read_all(int fd, std::function<void(std::string_view)> each) {
    asio::co_spawn(loop, read_loop(fd, std::move(each)), asio::detached);
  }
  /// For a failed test: the events and the monitor's own log.
  std::string evidence() const {
    std::string text;
    for (const MonitorEvent& event : events) text += event.text + "\n";
    return text + log();
  }
  std::string log() const {
    std::ifstream file(endpoints.monitor_log);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  asio::io_context loop;
  api::Spec spec;
  std::string folder;
  Endpoints endpoints;
  Plan plan;
  std::unique_ptr<Monitor> monitor;
  std::vector<MonitorEvent> events;
  std::string output;

 private:
  static void end(pid_t pid) {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }

  asio::awaitable<void> read_loop(int fd, std::function<void(std::string_view)> each) {
    asio::posix::stream_descriptor stream(loop, ::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    std::string buffer(65536, 0);
    for (;;) {
      auto [error, size] = co_await stream.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
      if (error) co_return;
      each(std::string_view(buffer).substr(0, size));
    }
  }

  pid_t start(const Process& process) {
    std::vector<char*> argv, environment;
    for (const std::string& argument : process.argv) argv.push_back(const_cast<char*>(argument.c_str()));
    for (const std::string& entry : process.environment) environment.push_back(const_cast<char*>(entry.c_str()));
    argv.push_back(nullptr);
    environment.push_back(nullptr);
    pid_t pid = ::fork();
    if (pid != 0) return pid;
    if (::chdir(process.directory.c_str()) != 0) ::_exit(126);
    // Sources first, out of the way of the targets.
    std::vector<int> sources;
    for (const DescriptorAction& action : process.descriptors) {
      using Source = DescriptorAction::Source;
      int fd = action.source == Source::path        ? ::open(action.text.c_str(), action.flags, 0600)
               : action.source == Source::held      ? held_[action.text].get()
               : action.source == Source::pty_slave ? ::ioctl(held_[action.text].get(), TIOCGPTPEER, O_RDWR | O_NOCTTY)
                                                    : ::open("/dev/null", O_RDWR);
      sources.push_back(::fcntl(fd, F_DUPFD_CLOEXEC, 3000));
    }
    for (std::size_t i = 0; i < sources.size(); ++i) {
      if (::dup2(sources[i], process.descriptors[i].target) < 0) ::_exit(125);
    }
    ::execve(argv[0], argv.data(), environment.data());
    ::_exit(127);
  }

  std::unique_ptr<Driver> driver_;
  std::map<std::string, UniqueFd> fifos_, held_;
  std::vector<UniqueFd> slaves_;
  std::map<std::string, pid_t> sidecars_;  ///< -1: it has ended
  pid_t pid_ = -1;
};

}  // namespace vmline::vmm
