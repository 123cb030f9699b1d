// SPDX-License-Identifier: Apache-2.0
// One WebSocket connection as coroutines see it: whole messages in, one message out at a time. Knows the protocol and nothing of lines.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "keeper/control_context.hpp"

namespace vmline::keeper {

using UpgradeRequest = boost::beast::http::request<boost::beast::http::string_body>;

class WebSocket {
 public:
  enum class Kind { text, bytes };
  struct Message {
    Kind kind = Kind::bytes;
    std::span<const std::byte> data;  ///< valid until the next receive()
  };
  /// RFC 6455, 7.4.1.
  enum class CloseCode : std::uint16_t { going_away = 1001, unacceptable = 1003, policy = 1008, internal = 1011 };

  WebSocket(ControlSocket socket, const ControlLimits& limits);
  /// Coroutines may still wait in the functions below: they end with an error then, if the loop runs on.
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  /// Answers the upgrade that `request` asks for, and begins to ping. `subprotocol` may be empty.
  asio::awaitable<bool> accept(const UpgradeRequest& request, std::string subprotocol);

  /// Returns once the kernel has all of it: a client that does not read is waited for. Two coroutines may send; they take turns.
  /// False when the connection is over.
  asio::awaitable<bool> send(Kind kind, std::span<const std::byte> data);
  asio::awaitable<bool> send_text(std::string_view text);

  /// Nothing when the connection is over. Answers pings meanwhile. One coroutine at a time.
  asio::awaitable<std::optional<Message>> receive();

  /// The closing handshake, within ControlLimits::leave.
  asio::awaitable<void> close(CloseCode code, std::string_view reason);
  /// Ends every wait above. Nothing is said to the client.
  void abort();

  /// Calls `handler` once if the client goes away. receive() tells that too, but not while nobody waits in it.
  void on_hang_up(std::function<void()> handler);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace vmline::keeper
