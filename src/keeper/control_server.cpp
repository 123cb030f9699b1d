// SPDX-License-Identifier: Apache-2.0
// Accepting and closing; see control_server.hpp.
#include "keeper/control_server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <vector>

#include "keeper/control_context.hpp"
#include "keeper/control_http.hpp"
#include "keeper/control_json.hpp"

namespace vmline::keeper {
namespace {

using boost::system::error_code;

constexpr int accepts_at_a_time = 64;  ///< then other handlers have their turn

auto to(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

UniqueFd open_nothing() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

/// Tells a client why nobody serves it, without waiting for what it asks.
void turn_away(UniqueFd client, std::string_view sentence) {
  std::string body = problem(503, "Service Unavailable", sentence) + "\n";
  std::string answer = fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nServer: vmline\r\nContent-Type: application/problem+json\r\n"
      "Content-Length: {}\r\nConnection: close\r\n\r\n{}",
      body.size(), body);
  (void)::send(client.get(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

class ControlServer::Shared : public std::enable_shared_from_this<ControlServer::Shared> {
 public:
  Shared(asio::io_context& loop, VmService& vm, Log& log, const ControlLimits& its_limits)
      : context(std::make_shared<ControlContext>(loop.get_executor(), vm, log, its_limits)),
        listener(loop),
        pause(loop),
        cut_off(loop),
        spare(open_nothing()) {}

  asio::awaitable<void> accept() {
    auto self = shared_from_this();
    while (!context->closing) {
      error_code error;
      co_await listener.async_wait(asio::posix::descriptor_base::wait_read, to(error));
      if (error || context->closing) co_return;
      bool full = false;
      for (int i = 0; i < accepts_at_a_time && accept_one(full); ++i) {
      }
      if (!full) continue;
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(to(error));
    }
  }

  void stop_accepting() {
    pause.cancel();
    if (!listener.is_open()) return;
    // Not closed by Asio: it would leave the descriptor in its epoll set as long as another process has the same listener open.
    UniqueFd closed(listener.release());
  }

  void close(std::string reason) {
    if (context->closing) return;
    context->closing = std::move(reason);
    stop_accepting();
    for (const auto& peer : peers()) peer->close();
    cut_off.expires_after(context->limits.leave);
    cut_off.async_wait([weak = weak_from_this()](error_code error) {
      auto self = weak.lock();
      if (self && !error) self->abort();
    });
    context->peer_left.cancel();
  }

  void abort() {
    for (const auto& peer : peers()) peer->abort();
  }

  void forsake() {
    for (const auto& peer : peers()) peer->forsake();
  }

  std::shared_ptr<ControlContext> context;
  asio::posix::stream_descriptor listener;
  asio::steady_timer pause;  ///< before the next try, when there was no descriptor left
  asio::steady_timer cut_off;
  UniqueFd spare;  ///< given up for a moment to accept, and turn away, at the descriptor limit
  bool told_full = false;

 private:
  /// A copy: ending one may take it off the list.
  [[nodiscard]] std::vector<std::shared_ptr<ControlPeer>> peers() const {
    std::vector<std::shared_ptr<ControlPeer>> all;
    for (ControlPeer* peer : context->peers) {
      if (auto alive = peer->weak_from_this().lock()) all.push_back(std::move(alive));
    }
    return all;
  }

  UniqueFd accept_fd() { return UniqueFd(::accept4(listener.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)); }

  /// False when nobody else waits, or when there is no room (`full`).
  bool accept_one(bool& full) {
    UniqueFd client = accept_fd();
    if (!client && (errno == EINTR || errno == ECONNABORTED)) return true;
    if (!client && errno != EAGAIN) {
      if (!told_full) context->log.error(Error::system("accept a client of the control API", errno).sentence());
      told_full = true;
      full = true;
      spare.reset();
      client = accept_fd();
      if (client) turn_away(std::move(client), "there are no descriptors left for another client");
      spare = open_nothing();
      return false;
    }
    if (!client) return false;
    told_full = false;
    if (context->peers.size() >= context->limits.clients + limits::api_refusals) {
      turn_away(std::move(client), fmt::format("{} clients are connected already, as many as there may be", context->limits.clients));
      return true;
    }
    Admission admission = context->peers.size() >= context->limits.clients ? Admission::refused : Admission::served;
    ControlSocket socket(context->executor);
    error_code error;
    socket.assign(asio::local::stream_protocol(), client.get(), error);
    if (error) {
      turn_away(std::move(client), error.message());
      return true;
    }
    (void)client.release();
    serve_http(context, std::move(socket), admission);
    return true;
  }
};

ControlServer::ControlServer(asio::io_context& loop, UniqueFd listener, VmService& vm, Log& log, ControlLimits limits)
    : shared_(std::make_shared<Shared>(loop, vm, log, limits)) {
  int flags = ::fcntl(listener.get(), F_GETFL);
  error_code error;
  if (flags < 0 || ::fcntl(listener.get(), F_SETFL, flags | O_NONBLOCK) < 0) error.assign(errno, boost::system::system_category());
  if (!error) shared_->listener.assign(listener.get(), error);
  if (error) {
    log.error(fmt::format("listen for clients of the control API: {}", error.message()));
    return;
  }
  (void)listener.release();
  asio::co_spawn(loop, shared_->accept(), [shared = shared_](const std::exception_ptr&) {});
}

ControlServer::~ControlServer() {
  if (!shared_->context->closing) shared_->context->closing = "the server has ended";
  shared_->stop_accepting();
  shared_->cut_off.cancel();
  shared_->abort();
  shared_->forsake();
}

void ControlServer::close(std::string reason) { shared_->close(std::move(reason)); }

asio::awaitable<void> ControlServer::closed() {
  auto shared = shared_;
  ControlContext& context = *shared->context;
  while (!context.closing || !context.peers.empty()) {
    error_code woken;
    co_await context.peer_left.async_wait(to(woken));
  }
  shared->cut_off.cancel();
}

std::size_t ControlServer::connections() const { return shared_->context->peers.size(); }

}  // namespace vmline::keeper
