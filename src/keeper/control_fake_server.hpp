// SPDX-License-Identifier: Apache-2.0
// For tests: a control server for a FakeVm on a loop of its own thread, and an HTTP client that sends what it is told. What a test wants to
// know or change of the VM, it does on that thread: `server.on_loop([&] { … })`.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "keeper/control_fake_service.hpp"
#include "keeper/control_server.hpp"

namespace vmline::keeper {

/// A control server for a FakeVm, on a thread of its own.
class FakeServer {
 public:
  explicit FakeServer(ControlLimits limits = {}) : log_(make_silent_log()) {
    // UBSan looks once at each type with virtual functions, and needs a pipe for it: not when a test has used up the descriptors.
    log_->info(Error::system(fmt::format("the test {} in process {}", "begins", ::getpid()), EMFILE).sentence());
    char name[] = "/tmp/vmline-control-XXXXXX";
    folder_ = ::mkdtemp(name);
    vm = std::make_unique<FakeVm>(loop_, folder_);
    UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address = its_address();
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener.get(), 4096), 0);
    control = std::make_unique<ControlServer>(loop_, std::move(listener), *vm, *log_, limits);
    thread_ = std::thread([this] {
      auto work = asio::make_work_guard(loop_);
      loop_.run();
    });
  }
  ~FakeServer() {
    try {
      shut_down();
    } catch (const std::exception& failure) {
      std::fprintf(stderr, "end a control server: %s\n", failure.what());
      std::abort();
    }
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  template <class F>
  auto on_loop(F f) {
    // Asio treats a packaged_task as a completion token of its own kind: hence the lambda around it.
    auto task = std::make_shared<std::packaged_task<decltype(f())()>>(std::move(f));
    auto result = task->get_future();
    asio::post(loop_, [task] { (*task)(); });
    return result.get();
  }

  void shut_down() {
    if (!thread_.joinable()) return;
    on_loop([this] { control->close("the test ends"); });
    wait_closed();
    loop_.stop();
    thread_.join();
    EXPECT_EQ(vm->line_state.open_streams, 0);
    control.reset();
    std::filesystem::remove_all(folder_);
  }
  /// As a keeper that falls over: the loop stops in the middle of everything.
  void fall_over() {
    loop_.stop();
    thread_.join();
    control.reset();
    std::filesystem::remove_all(folder_);
  }
  void wait_closed() {
    auto closed = asio::co_spawn(loop_, control->closed(), asio::use_future);
    ASSERT_EQ(closed.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  }

  /// Until `condition`, which is asked on the loop, holds. It never sleeps for long: what is waited for is on its way.
  template <class F>
  [[nodiscard]] bool becomes(F condition) {
    for (int i = 0; i < 10'000; ++i) {
      if (on_loop(condition)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }

  [[nodiscard]] UniqueFd connect() const {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = its_address();
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    timeval patience{20, 0};  // a test that waits for ever tells nothing
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return fd;
  }
  [[nodiscard]] std::size_t connections() {
    return on_loop([this] { return control->connections(); });
  }
  [[nodiscard]] FakeLineState& line() const { return vm->line_state; }

 private:
  [[nodiscard]] sockaddr_un its_address() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (folder_ + "/control.sock").copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
  }

  std::unique_ptr<Log> log_;
  std::string folder_;
  asio::io_context loop_{1};

 public:
  std::unique_ptr<FakeVm> vm;
  std::unique_ptr<ControlServer> control;

 private:
  std::thread thread_;
};

struct HttpAnswer {
  int status = 0;  ///< 0: the connection ended without one
  std::string header;
  std::string body;
};

inline void send_text(const UniqueFd& fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t n = ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

/// True when the server has closed the connection, without anything more to read.
inline bool has_ended(const UniqueFd& fd) {
  char byte = 0;
  ssize_t n = ::recv(fd.get(), &byte, 1, 0);
  return n == 0 || (n < 0 && errno == ECONNRESET);
}

/// The next answer on the connection.
inline HttpAnswer read_answer(const UniqueFd& fd) {
  HttpAnswer answer;
  char byte = 0;
  while (!answer.header.ends_with("\r\n\r\n")) {
    if (::recv(fd.get(), &byte, 1, 0) != 1) return answer;
    answer.header += byte;
  }
  answer.status = std::stoi(answer.header.substr(9, 3));
  std::size_t at = answer.header.find("Content-Length: ");
  std::size_t length = at == std::string::npos ? 0 : std::stoul(answer.header.substr(at + 16));
  answer.body.resize(length);
  for (std::size_t got = 0; got < length;) {
    ssize_t n = ::recv(fd.get(), answer.body.data() + got, length - got, 0);
    if (n <= 0) return {};
    got += static_cast<std::size_t>(n);
  }
  return answer;
}

inline HttpAnswer ask(const UniqueFd& fd, const std::string& method_and_target, const std::string& body = "") {
  std::string length = body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n";
  send_text(fd, method_and_target + " HTTP/1.1\r\nHost: vm\r\n" + length + "\r\n" + body);
  return read_answer(fd);
}

/// The sentence of a refusal.
inline std::string detail_of(const HttpAnswer& answer) {
  EXPECT_NE(answer.header.find("application/problem+json"), std::string::npos) << answer.header;
  json::object problem = json::parse(answer.body).as_object();
  EXPECT_EQ(problem.at("status").as_int64(), answer.status);
  EXPECT_FALSE(problem.at("title").as_string().empty());
  return std::string(problem.at("detail").as_string());
}

}  // namespace vmline::keeper
