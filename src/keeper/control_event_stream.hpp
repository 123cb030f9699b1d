// SPDX-License-Identifier: Apache-2.0
// The VM's events over WebSocket, one JSON text message each, from a number on.
#pragma once
#include <cstdint>
#include <memory>

#include "keeper/control_session.hpp"

namespace vmline::keeper {

class EventSession : public StreamSession {
 public:
  EventSession(std::shared_ptr<ControlContext> context, std::uint64_t from);

 private:
  asio::awaitable<std::string> produce() override;
  asio::awaitable<std::optional<std::string>> take(WebSocket::Message message) override;

  std::uint64_t next_;
};

}  // namespace vmline::keeper
