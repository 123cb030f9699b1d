// SPDX-License-Identifier: Apache-2.0
// For tests: a VM with one line, serial0, whose streams hand out what a test wrote for them.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "keeper/event_log.hpp"
#include "keeper/service.hpp"

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
    said.push_back(std::make_unique<std::string>(std::move(bytes)));
    items.push_back(Bytes{0, std::as_bytes(std::span(*said.back()))});
    changed.timer.cancel();
  }
  void say(StreamItem item) {
    items.push_back(std::move(item));
    changed.timer.cancel();
  }

  FakeSignal changed;
  std::vector<StreamItem> items;  ///< every stream gets all of them
  std::string typed;
  bool refuses = false;  ///< somebody else has the lease
  bool guest_reads = true;
  bool endless = false;           ///< after the items, 64 KiB messages for ever
  std::size_t endless_items = 0;  ///< how many of these were asked for
  int takes = 0;
  int open_streams = 0;
  int opened = 0;
  StreamRequest last_request;
  std::string block = std::string(65536, 'e');
  std::vector<std::unique_ptr<std::string>> said;
};

class FakeStream : public Stream {
 public:
  explicit FakeStream(FakeLineState& state) : state_(state) { ++state_.open_streams; }
  ~FakeStream() override { --state_.open_streams; }

  asio::awaitable<StreamItem> next() override {
    while (next_ >= state_.items.size() && !state_.endless) co_await state_.changed.wait();
    if (next_ < state_.items.size()) co_return state_.items[next_++];
    ++state_.endless_items;
    co_return Bytes{0, std::as_bytes(std::span(state_.block))};
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
};

class FakeVm : public VmService {
 public:
  FakeVm(asio::io_context& loop, const std::string& folder)
      : line_state(loop), command_end(loop), events_(*EventLog::open(loop, folder + "/events")) {}

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
      if (request.from == StreamRequest::From::boot && request.value > 3)
        return fail("serial0 has no boot 4; it has 1 to 3", ErrorKind::not_found);
      state.last_request = request;
      ++state.opened;
      return std::make_unique<FakeStream>(state);
    }
    FakeLineState& state;
  };
  Line line_{line_state};
  std::unique_ptr<EventLog> events_;
};

}  // namespace vmline::keeper
