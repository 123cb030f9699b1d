// SPDX-License-Identifier: Apache-2.0
// What all connections of one control server share, and what a connection is to it. Each connection owns itself: its coroutines hold the
// only lasting references, and it takes itself off the list when the last of them ends.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "keeper/control_server.hpp"

namespace vmline::keeper {

using ControlSocket = asio::local::stream_protocol::socket;

class ControlPeer;

struct ControlContext {
  ControlContext(asio::any_io_executor its_executor, VmService& its_vm, Log& its_log, const ControlLimits& its_limits)
      : executor(std::move(its_executor)),
        vm(its_vm),
        log(its_log),
        limits(its_limits),
        peer_left(executor, asio::steady_timer::time_point::max()) {}

  asio::any_io_executor executor;
  VmService& vm;
  Log& log;
  ControlLimits limits;
  std::set<ControlPeer*> peers;
  std::optional<std::string> closing;  ///< the reason, once close() was called
  std::size_t body_bytes = 0;          ///< of all requests' bodies that are being received
  std::size_t commands = 0;            ///< under way
  asio::steady_timer peer_left;        ///< never expires; cancelled when there are no more peers
};

class ControlPeer : public std::enable_shared_from_this<ControlPeer> {
 public:
  explicit ControlPeer(std::shared_ptr<ControlContext> context) : context_(std::move(context)) { context_->peers.insert(this); }
  virtual ~ControlPeer() {
    context_->peers.erase(this);
    if (context_->peers.empty()) context_->peer_left.cancel();
  }
  ControlPeer(const ControlPeer&) = delete;
  ControlPeer& operator=(const ControlPeer&) = delete;

  /// The server closes: end as soon as the client has what it is owed.
  virtual void close() = 0;
  /// End now.
  virtual void abort() = 0;
  /// The service goes away and the loop does not run any more: let go of what is the service's, as the coroutines that hold us stay behind.
  virtual void forsake() = 0;

 protected:
  [[nodiscard]] ControlContext& context() const { return *context_; }
  [[nodiscard]] const std::shared_ptr<ControlContext>& shared_context() const { return context_; }

 private:
  std::shared_ptr<ControlContext> context_;
};

}  // namespace vmline::keeper
