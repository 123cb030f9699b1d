// SPDX-License-Identifier: Apache-2.0
// A WebSocket to a keeper; see web_socket.hpp.
#include "cli/web_socket.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <cerrno>

#include "cli/api_client.hpp"
#include "cli/connection.hpp"

namespace vmline::cli {
namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using Layer = beast::basic_stream<asio::local::stream_protocol>;

Error lost(const beast::error_code& ec) {
  if (ec == beast::error::timeout) return Error("the keeper did not answer in time", ErrorKind::timed_out);
  return Error::system("read from the keeper", ec.category() == boost::system::system_category() ? ec.value() : ECONNRESET);
}

class BeastSocket : public WebSocket {
 public:
  BeastSocket(asio::any_io_executor executor, UniqueFd socket)
      : stream_(asio::local::stream_protocol::socket(executor, asio::local::stream_protocol(), socket.release())),
        pong_(executor, asio::steady_timer::time_point::max()) {
    stream_.control_callback([this](websocket::frame_type type, beast::string_view) {
      if (type != websocket::frame_type::pong) return;
      ++pongs_;
      pong_.cancel();
    });
  }

  asio::awaitable<Result<>> handshake(const std::string& target, std::chrono::milliseconds limit) {
    beast::get_lowest_layer(stream_).expires_after(limit);
    stream_.set_option(websocket::stream_base::decorator(
        [](websocket::request_type& request) { request.set(beast::http::field::sec_websocket_protocol, "vmline.v1"); }));
    websocket::response_type response;
    beast::error_code ec;
    co_await stream_.async_handshake(response, "vm", target, asio::redirect_error(asio::use_awaitable, ec));
    if (ec == websocket::error::upgrade_declined) co_return std::unexpected(refusal(response.result_int(), response.body()));
    if (ec) co_return std::unexpected(lost(ec));
    beast::get_lowest_layer(stream_).expires_never();
    co_return Result<>();
  }

  asio::awaitable<Result<Message>> read() override {
    Message message;
    auto buffer = asio::dynamic_buffer(message.data);
    beast::error_code ec;
    co_await stream_.async_read(buffer, asio::redirect_error(asio::use_awaitable, ec));
    if (ec) {
      ended_ = true;
      pong_.cancel();
      co_return std::unexpected(lost(ec));
    }
    message.text = stream_.got_text();
    co_return message;
  }

  asio::awaitable<Result<>> write(Message message) override {
    beast::error_code ec;
    stream_.text(message.text);
    co_await stream_.async_write(asio::buffer(message.data), asio::redirect_error(asio::use_awaitable, ec));
    if (ec) co_return std::unexpected(lost(ec));
    co_return Result<>();
  }

  asio::awaitable<void> flush() override {
    beast::error_code ec;
    unsigned awaited = ++pings_;
    co_await stream_.async_ping({}, asio::redirect_error(asio::use_awaitable, ec));
    bool sent = !ec;
    while (sent && !ended_ && pongs_ < awaited) co_await pong_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
  }

  void abort() override { beast::get_lowest_layer(stream_).close(); }

 private:
  websocket::stream<Layer> stream_;
  asio::steady_timer pong_;  ///< never expires; cancelled by a pong
  unsigned pings_ = 0;
  unsigned pongs_ = 0;
  bool ended_ = false;
};

}  // namespace

asio::awaitable<Result<std::shared_ptr<WebSocket>>> WebSocket::open(std::string socket_path, std::string target,
                                                                    std::chrono::milliseconds limit) {
  auto connection = connect_to_keeper(socket_path, limit);
  if (!connection) co_return std::unexpected(std::move(connection).error());
  auto socket = std::make_shared<BeastSocket>(co_await asio::this_coro::executor, *std::move(connection));
  auto done = co_await socket->handshake(target, limit);
  if (!done) co_return std::unexpected(std::move(done).error());
  co_return socket;
}

}  // namespace vmline::cli
