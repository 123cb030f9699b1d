// SPDX-License-Identifier: Apache-2.0
// For tests: a WebSocket client that blocks.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <string>

#include "keeper/control_fake_server.hpp"

namespace vmline::keeper {

inline const std::string line_stream = "/v1/lines/serial0/stream";

class TestWebSocket {
 public:
  /// `subprotocol` is what is offered; empty: none.
  TestWebSocket(const FakeServer& server, const std::string& target, const std::string& subprotocol = "vmline.v1");

  [[nodiscard]] bool is_open() const { return !error_; }
  [[nodiscard]] const std::string& chosen() const { return chosen_; }  ///< the subprotocol of the answer
  [[nodiscard]] int status() const { return status_; }

  /// The next message: a text as it is, bytes as "<bytes>", the end as "closed CODE REASON" or "lost".
  std::string next();
  void type(std::string_view bytes);
  void say(std::string_view text);
  void ping();
  [[nodiscard]] int pings() const { return pings_; }
  void close();
  /// Goes away without a word.
  void vanish();
  [[nodiscard]] int fd() { return stream_.next_layer().native_handle(); }

 private:
  boost::asio::io_context loop_;
  boost::beast::websocket::stream<boost::asio::local::stream_protocol::socket> stream_;
  boost::system::error_code error_;
  std::string chosen_;
  int status_ = 0;
  int pings_ = 0;
};

}  // namespace vmline::keeper
