// SPDX-License-Identifier: Apache-2.0
// For tests: a VM with one line, serial0, whose streams hand out what a test wrote for them, and a control server for it on a loop of its
// own thread. What a test wants to know or change of it, it does on that thread: `server.on_loop([&] { … })`.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <deque>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "keeper/control_server.hpp"
#include "keeper/event_log.hpp"

namespace vmline::keeper {

/// Wakes whoever waits, as often as it is told to.
struct FakeSignal {
  explicit FakeSignal(asio::io_context& loop) : timer(loop, asio::steady_timer::time_point::max()) {}
  asio::awaitable<void> wait() {
    boost::system::error_code woken;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
  asio::steady_timer timer;
};

/// What all streams of the fake line share with the test.
struct FakeLineState {
  explicit FakeLineState(asio::io_context& loop) : changed(loop) {}

  void say(std::string bytes) {
    bytes_.push_back(std::make_unique<std::string>(std::move(bytes)));
    items.push_back(Bytes{0, std::as_bytes(std::span(*bytes_.back()))});
    changed.timer.cancel();
  }
  void say(StreamItem item) {
    items.push_back(std::move(item));
    changed.timer.cancel();
  }

  FakeSignal changed;
  std::vector<StreamItem> items;  ///< every stream gets all of them
  std::string typed;
  bool refuses = false;           ///< somebody else has the lease
  bool guest_reads = true;
  bool endless = false;           ///< after the items, 64 KiB messages for ever
  std::size_t endless_items = 0;  ///< how many of these were asked for
  int takes = 0;
  int open_streams = 0;
  int opened = 0;
  StreamRequest last_request;
  std::vector<std::unique_ptr<std::string>> bytes_;
};

class FakeStream : public Stream {
 public:
  explicit FakeStream(FakeLineState& state) : state_(state) { ++state_.open_streams; }
  ~FakeStream() override { --state_.open_streams; }

  asio::awaitable<StreamItem> next() override {
    while (next_ >= state_.items.size() && !state_.endless) co_await state_.changed.wait();
    if (next_ < state_.items.size()) co_return state_.items[next_++];
    ++state_.endless_items;
    co_return Bytes{0, std::as_bytes(std::span(block_))};
  }
  asio::awaitable<Result<>> type(std::span<const std::byte> data) override {
    if (state_.refuses) co_return fail("writer-x has the lease", ErrorKind::conflict);
    while (!state_.guest_reads) co_await state_.changed.wait();
    state_.typed.append(reinterpret_cast<const char*>(data.data()), data.size());
    co_return Result<>();
  }
  Result<> take() override {
    ++state_.takes;
    state_.refuses = false;
    return {};
  }

 private:
  FakeLineState& state_;
  std::size_t next_ = 0;
  std::string block_ = std::string(65536, 'e');
};

class FakeVm : public VmService {
 public:
  FakeVm(asio::io_context& loop, const std::string& folder) : line_state(loop), command_end(loop), events_(*EventLog::open(loop, folder + "/events")) {}

  json::object info() const override {
    if (info_throws) throw std::runtime_error("no memory for that");
    return {{"name", "web1"}, {"text", info_text}};
  }
  json::object spec() const override { return {{"cpus", 2}}; }
  EventLog& events() override { return *events_; }
  Result<LineService*> line(std::string_view name) override {
    if (name == "serial0") return &line_;
    return fail("web1 has no line " + std::string(name) + "; it has serial0", ErrorKind::not_found);
  }
  asio::awaitable<Result<json::object>> command(std::string name, json::object arguments) override {
    ++commands_begun;
    if (name == "kill") co_return fail("kill web1: it is stopped", ErrorKind::conflict);
    if (name == "reset") throw std::runtime_error("reset broke");
    while (command_waits) co_await command_end.wait();
    ++commands_ended;
    co_return json::object{{"did", name}, {"with", std::move(arguments)}};
  }

  std::string info_text;
  bool info_throws = false;
  FakeLineState line_state;
  FakeSignal command_end;
  bool command_waits = false;
  int commands_begun = 0;
  int commands_ended = 0;

 private:
  struct Line : LineService {
    explicit Line(FakeLineState& its_state) : state(its_state) {}
    json::object info() const override { return {{"name", "serial0"}, {"head", 5}}; }
    json::array boots() const override { return {json::object{{"boot", 1}, {"offset", 0}}}; }
    Result<std::unique_ptr<Stream>> open(const StreamRequest& request) override {
      if (request.from == StreamRequest::From::boot && request.value > 3) return fail("serial0 has no boot 4; it has 1 to 3", ErrorKind::not_found);
      state.last_request = request;
      ++state.opened;
      return std::make_unique<FakeStream>(state);
    }
    FakeLineState& state;
  };
  Line line_{line_state};
  std::unique_ptr<EventLog> events_;
};

/// A control server for a FakeVm, on a thread of its own.
class FakeServer {
 public:
  explicit FakeServer(ControlLimits limits = {}) : log_(make_silent_log()) {
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
  ~FakeServer() { shut_down(); }
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

}  // namespace vmline::keeper
