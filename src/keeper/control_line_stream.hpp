// SPDX-License-Identifier: Apache-2.0
// A line's stream over WebSocket: subprotocol vmline.v1 (bytes and JSON events, the default) or binary (bytes alone, as nova-style
// consoles expect).
#pragma once
#include <memory>

#include "keeper/control_session.hpp"

namespace vmline::keeper {

enum class LineAccess { read_only, read_write };

class LineSession : public StreamSession {
 public:
  LineSession(std::shared_ptr<ControlContext> context, std::unique_ptr<Stream> stream, LineAccess access);
  void forsake() override { stream_.reset(); }

 private:
  asio::awaitable<std::string> produce() override;
  asio::awaitable<std::optional<std::string>> take(WebSocket::Message message) override;
  asio::awaitable<void> type(std::span<const std::byte> data);
  asio::awaitable<void> refuse(std::string sentence);
  [[nodiscard]] bool bytes_alone() const { return subprotocol() == "binary"; }

  std::unique_ptr<Stream> stream_;
  LineAccess access_;
};

}  // namespace vmline::keeper
