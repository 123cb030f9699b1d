// SPDX-License-Identifier: Apache-2.0
// WebSocket connections by Beast; see control_websocket.hpp.
#include "keeper/control_websocket.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

namespace vmline::keeper {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

constexpr std::size_t kept_buffer = 4096;  ///< bytes of receive buffer that an idle client keeps

auto to(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

}  // namespace

struct WebSocket::Impl : std::enable_shared_from_this<Impl> {
  Impl(ControlSocket socket, const ControlLimits& its_limits)
      : stream(std::move(socket)),
        sent(stream.get_executor(), asio::steady_timer::time_point::max()),
        timer(stream.get_executor()),
        limits(its_limits) {}

  void ping() {
    timer.expires_after(limits.ping);
    timer.async_wait([weak = weak_from_this()](error_code error) {
      auto self = weak.lock();
      if (!self || error || self->over || self->leaving) return;
      if (!self->stream.is_open()) return self->cut_off_soon();
      // A client that does not read gets none behind what waits for it already: it is not dead, its process holds the socket.
      if (!self->sending && !self->pinging) {
        self->pinging = true;
        self->stream.async_ping({}, [weak](error_code) {
          if (auto alive = weak.lock()) alive->pinging = false;
        });
      }
      self->ping();
    });
  }

  /// Beast waits for the client at the end of a closing handshake, and after a protocol error, as long as it takes.
  void cut_off_soon() {
    leaving = true;
    timer.expires_after(limits.leave);
    timer.async_wait([weak = weak_from_this()](error_code error) {
      auto self = weak.lock();
      if (self && !error) self->abort();
    });
  }

  void abort() {
    if (over) return;
    over = true;
    timer.cancel();
    sent.cancel();
    error_code error;
    beast::get_lowest_layer(stream).close(error);
  }

  // Without permessage-deflate: the guest's bytes are for a client on this host, and a compressor's window is 64 kB of memory each.
  websocket::stream<ControlSocket, false> stream;
  beast::flat_buffer received{limits::websocket_message + 1};  // full, it would be an error of its own, and not the one that says too long
  asio::steady_timer sent;                                     ///< never expires; cancelled when the message under way is out
  asio::steady_timer timer;                                    ///< to the next ping; once the connection is being closed, to its end
  ControlLimits limits;
  bool sending = false;
  bool pinging = false;
  bool leaving = false;
  bool over = false;
};

WebSocket::WebSocket(ControlSocket socket, const ControlLimits& limits) : impl_(std::make_shared<Impl>(std::move(socket), limits)) {}

WebSocket::~WebSocket() { impl_->abort(); }

asio::awaitable<bool> WebSocket::accept(const UpgradeRequest& request, std::string subprotocol) {
  auto impl = impl_;
  websocket::stream_base::timeout timeout;
  timeout.handshake_timeout = impl->limits.answer;
  timeout.idle_timeout = websocket::stream_base::none();
  timeout.keep_alive_pings = false;
  impl->stream.set_option(timeout);
  impl->stream.set_option(websocket::stream_base::decorator([subprotocol = std::move(subprotocol)](websocket::response_type& response) {
    response.set(http::field::server, "vmline");
    if (!subprotocol.empty()) response.set(http::field::sec_websocket_protocol, subprotocol);
  }));
  impl->stream.read_message_max(limits::websocket_message);
  impl->stream.auto_fragment(false);  // one message, one frame, one system call
  impl->stream.control_callback([self = impl.get()](websocket::frame_type kind, beast::string_view) {
    if (kind == websocket::frame_type::close) self->cut_off_soon();
  });
  error_code error;
  co_await impl->stream.async_accept(request, to(error));
  impl->stream.set_option(websocket::stream_base::decorator([](websocket::response_type&) {}));
  if (error) co_return false;
  impl->ping();
  co_return true;
}

asio::awaitable<bool> WebSocket::send(Kind kind, std::span<const std::byte> data) {
  auto impl = impl_;
  error_code error;
  while (impl->sending && !impl->over) co_await impl->sent.async_wait(to(error));
  if (impl->over) co_return false;
  impl->sending = true;
  impl->stream.text(kind == Kind::text);
  asio::const_buffer buffer(data.data(), data.size());
  co_await impl->stream.async_write(buffer, to(error));
  impl->sending = false;
  impl->sent.cancel();
  co_return !error && !impl->over;
}

asio::awaitable<bool> WebSocket::send_text(std::string_view text) {
  bool sent = co_await send(Kind::text, std::as_bytes(std::span(text)));
  co_return sent;
}

asio::awaitable<std::optional<WebSocket::Message>> WebSocket::receive() {
  auto impl = impl_;
  impl->received.consume(impl->received.size());
  if (impl->received.capacity() > kept_buffer) impl->received.shrink_to_fit();
  error_code error;
  co_await impl->stream.async_read(impl->received, to(error));
  if (error || impl->over) co_return std::nullopt;
  auto data = impl->received.cdata();
  Message message{impl->stream.got_text() ? Kind::text : Kind::bytes, {static_cast<const std::byte*>(data.data()), data.size()}};
  co_return message;
}

asio::awaitable<void> WebSocket::close(CloseCode code, std::string_view reason) {
  auto impl = impl_;
  error_code error;
  while (impl->sending && !impl->over) co_await impl->sent.async_wait(to(error));
  if (impl->over) co_return;
  impl->sending = true;  // nothing may follow it
  websocket::close_reason why(static_cast<std::uint16_t>(code));
  // A control frame has room for 123 bytes of reason. It must be UTF-8: no character may be cut in two.
  std::size_t length = std::min<std::size_t>(reason.size(), 123);
  while (length < reason.size() && length > 0 && (static_cast<unsigned char>(reason[length]) & 0xc0) == 0x80) --length;
  why.reason.assign(reason.data(), length);
  impl->cut_off_soon();
  co_await impl->stream.async_close(why, to(error));
  impl->abort();
}

void WebSocket::abort() { impl_->abort(); }

void WebSocket::on_hang_up(std::function<void()> handler) {
  beast::get_lowest_layer(impl_->stream).async_wait(ControlSocket::wait_error, [handler = std::move(handler)](error_code error) {
    if (!error) handler();
  });
}

}  // namespace vmline::keeper
