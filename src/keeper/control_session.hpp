// SPDX-License-Identifier: Apache-2.0
// A WebSocket client of the control API: one coroutine that sends what there is, one that takes what comes. Whichever ends first ends the
// other. The server's closing reaches the sending one only while it waits for something to send, so that no message is cut.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <memory>
#include <optional>
#include <string>

#include "keeper/control_context.hpp"
#include "keeper/control_websocket.hpp"

namespace vmline::keeper {

class StreamSession : public ControlPeer {
 public:
  explicit StreamSession(std::shared_ptr<ControlContext> context);

  /// Call it once. The session lives until the connection ends.
  void start(ControlSocket socket, UpgradeRequest request, std::string subprotocol);

  void close() override;
  void abort() override;
  void forsake() override {}

 protected:
  /// Sends until there is nothing more, the client is gone or the server closes; says in which words to close.
  virtual asio::awaitable<std::string> produce() = 0;
  /// Takes one message; what it returns says in which words to close, nothing: goes on.
  virtual asio::awaitable<std::optional<std::string>> take(WebSocket::Message message) = 0;

  /// For produce(): the result of `source`, or nothing when the server closes meanwhile or `source` fails.
  template <class T>
  asio::awaitable<std::optional<T>> wait_for(asio::awaitable<T> source) {
    std::optional<T> result;
    if (!context().closing && !over_) {
      waiting_ = true;
      try {
        T value = co_await std::move(source);
        result.emplace(std::move(value));
      } catch (const std::exception& failure) {
        if (!context().closing && !over_) failed(failure);
      }
      waiting_ = false;
      if (!over_) co_await asio::this_coro::reset_cancellation_state();
    }
    co_return result;
  }

  [[nodiscard]] WebSocket& socket() { return *socket_; }
  [[nodiscard]] const std::string& subprotocol() const { return subprotocol_; }

 private:
  asio::awaitable<void> run_producer(UpgradeRequest request);
  asio::awaitable<void> run_consumer();
  void failed(const std::exception& failure);
  void end();

  std::optional<WebSocket> socket_;
  std::string subprotocol_;
  asio::cancellation_signal stop_producer_;
  asio::cancellation_signal stop_consumer_;
  asio::steady_timer grace_;  ///< for what a client typed before it went away
  bool waiting_ = false;
  bool over_ = false;
};

}  // namespace vmline::keeper
