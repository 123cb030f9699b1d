// SPDX-License-Identifier: Apache-2.0
// WebSocket clients; see control_session.hpp.
#include "keeper/control_session.hpp"

#include <fmt/format.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>

namespace vmline::keeper {

StreamSession::StreamSession(std::shared_ptr<ControlContext> context)
    : ControlPeer(std::move(context)), grace_(ControlPeer::context().executor) {}

void StreamSession::start(ControlSocket socket, UpgradeRequest request, std::string subprotocol) {
  auto self = std::static_pointer_cast<StreamSession>(shared_from_this());
  socket_.emplace(std::move(socket), context().limits);
  subprotocol_ = std::move(subprotocol);
  socket_->on_hang_up([weak = std::weak_ptr<StreamSession>(self)] {
    auto alive = weak.lock();
    if (!alive || alive->over_) return;
    alive->grace_.expires_after(alive->context().limits.leave);
    alive->grace_.async_wait([weak](boost::system::error_code error) {
      auto still_there = weak.lock();
      if (still_there && !error) still_there->end();
    });
  });
  asio::co_spawn(context().executor, run_producer(std::move(request)),
                 asio::bind_cancellation_slot(stop_producer_.slot(), [self](std::exception_ptr) { self->end(); }));
}

asio::awaitable<void> StreamSession::run_producer(UpgradeRequest request) {
  bool accepted = co_await socket_->accept(request, subprotocol_);
  request = {};
  if (!accepted || over_) co_return;
  auto self = std::static_pointer_cast<StreamSession>(shared_from_this());
  asio::co_spawn(context().executor, run_consumer(),
                 asio::bind_cancellation_slot(stop_consumer_.slot(), [self](std::exception_ptr) { self->end(); }));
  std::string reason = co_await produce();
  if (!over_) co_await socket_->close(WebSocket::CloseCode::going_away, reason);
}

asio::awaitable<void> StreamSession::run_consumer() {
  while (!over_) {
    std::optional<WebSocket::Message> message = co_await socket_->receive();
    if (!message) co_return;
    std::optional<std::string> refused = co_await take(*message);
    if (refused) {
      co_await socket_->close(WebSocket::CloseCode::policy, *refused);
      co_return;
    }
  }
}

void StreamSession::close() {
  if (waiting_) stop_producer_.emit(asio::cancellation_type::terminal);
}

void StreamSession::abort() { end(); }

void StreamSession::failed(const std::exception& failure) {
  context().log.error(fmt::format("serve a client's stream: {}", failure.what()));
}

void StreamSession::end() {
  if (over_) return;
  over_ = true;
  grace_.cancel();
  if (socket_) socket_->abort();
  stop_producer_.emit(asio::cancellation_type::terminal);
  stop_consumer_.emit(asio::cancellation_type::terminal);
}

}  // namespace vmline::keeper
