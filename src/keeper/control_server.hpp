// SPDX-License-Identifier: Apache-2.0
// The control API (docs/control-api.md): HTTP and WebSocket on a Unix socket that listens already. Knows VmService and nothing behind it.
// Nobody is asked who they are: whoever may open the socket (mode 0600 unless set otherwise) may do everything; pid and uid of the client,
// as the kernel tells them, are shown as the writer's name.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "base/limits.hpp"
#include "base/unique_fd.hpp"
#include "keeper/our_log.hpp"
#include "keeper/service.hpp"

namespace vmline::keeper {

/// How long a client may take for what, and how many there may be. The defaults are for real use, other values for tests.
struct ControlLimits {
  std::size_t clients = limits::api_clients;  ///< connections, of either kind; beyond it 503
  std::chrono::milliseconds header{10'000};   ///< from a request's first byte to the end of its header
  std::chrono::milliseconds idle{60'000};     ///< between two requests on a connection
  std::chrono::milliseconds body{30'000};     ///< for a request's body to arrive
  std::chrono::milliseconds answer{30'000};   ///< for the client to take an answer
  std::chrono::milliseconds typing{30'000};   ///< for the guest to take what was posted to be typed
  std::chrono::milliseconds ping{30'000};     ///< between two WebSocket pings; they keep proxies from cutting a silent line off
  std::chrono::milliseconds leave{2'000};     ///< for clients to take what is on its way to them once the server closes
};

class ControlServer {
 public:
  /// Accepts from now on. `listener` may be shared with another process. Loop, service and log outlive the server.
  ControlServer(asio::io_context& loop, UniqueFd listener, VmService& vm, Log& log, ControlLimits limits = {});
  /// Closes every connection at once and destroys every Stream. Unless closed() has returned, the loop must not run afterwards: coroutines
  /// of ours still wait in it.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  /// Accepts nobody any more, ends every stream with Closing and every connection once its request is answered; cuts off what is still
  /// there after ControlLimits::leave. A client that should get the line's last bytes gets them before: its Stream hands out Closing
  /// itself.
  void close(std::string reason);

  /// Returns when close() has been called and every connection is gone.
  asio::awaitable<void> closed();

  [[nodiscard]] std::size_t connections() const;

 private:
  class Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace vmline::keeper
