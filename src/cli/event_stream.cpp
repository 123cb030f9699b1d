// SPDX-License-Identifier: Apache-2.0
// A VM's events as they happen; see event_stream.hpp.
#include "cli/event_stream.hpp"

#include <fmt/format.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/limits.hpp"
#include "cli/connection.hpp"
#include "cli/fields.hpp"
#include "wire/api/json_reader.hpp"

namespace vmline::cli {

using namespace std::chrono_literals;

namespace {
constexpr auto connect_limit = 10s;
constexpr auto comeback_limit = 60s;
}  // namespace

asio::awaitable<Result<bool>> EventStream::connect() {
  if (socket_) co_return true;
  auto deadline = std::chrono::steady_clock::now() + comeback_limit;
  asio::steady_timer pause(loop_);
  for (auto length = 5ms;; length = std::min(length * 2, 500ms)) {
    std::string target = next_ ? fmt::format("/v1/events/stream?from={}", *next_) : "/v1/events/stream";
    auto socket = co_await WebSocket::open(finder_.places().control_socket(name_), target, connect_limit);
    if (socket) {
      socket_ = *std::move(socket);
      co_return true;
    }
    bool worth_another = is_lost_connection(socket.error()) || socket.error().kind() == ErrorKind::timed_out;
    if (!worth_another || std::chrono::steady_clock::now() >= deadline) co_return std::unexpected(socket.error().because(name_));
    // Brings it back on this thread: nothing else is to be done meanwhile.
    auto found = finder_.find(name_);
    if (!found) co_return std::unexpected(found.error());
    if (!found->running()) co_return false;
    boost::system::error_code ec;
    pause.expires_after(length);
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ec));
  }
}

asio::awaitable<Result<std::optional<json::object>>> EventStream::next() {
  while (true) {
    if (!socket_) {
      auto running = co_await connect();
      if (!running) co_return std::unexpected(running.error());
      if (!*running) co_return std::optional<json::object>();
      if (!next_) co_return json::object{{"type", "connected"}};
    }
    auto message = co_await socket_->read();
    if (!message) {
      socket_->abort();
      socket_.reset();
      continue;
    }
    auto event = api::parse_json(message->data, limits::api_answer);
    if (!event) co_return std::unexpected(event.error());
    if (!event->is_object()) co_return fail("the keeper sent an event that is no object");
    json::object object = std::move(event->get_object());
    std::uint64_t sequence = number_field(object, "sequence");
    if (next_ && sequence < *next_) continue;
    next_ = sequence + 1;
    co_return std::optional<json::object>(std::move(object));
  }
}

}  // namespace vmline::cli
