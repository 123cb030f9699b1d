// SPDX-License-Identifier: Apache-2.0
// A WebSocket to a keeper: messages in, messages out. Knows nothing of what they mean.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace vmline::cli {

namespace asio = boost::asio;

class WebSocket {
 public:
  struct Message {
    bool text = false;
    std::string data;
  };

  /// An answer that says no comes back as its sentence; everything else that goes wrong as a lost connection or timed_out.
  static asio::awaitable<Result<std::shared_ptr<WebSocket>>> open(std::string socket_path, std::string target,
                                                                  std::chrono::milliseconds limit);

  virtual ~WebSocket() = default;
  virtual asio::awaitable<Result<Message>> read() = 0;
  virtual asio::awaitable<Result<>> write(Message message) = 0;
  /// Returns when the other side has read all that was written before, or is gone. Somebody must be reading meanwhile.
  virtual asio::awaitable<void> flush() = 0;
  /// Ends what is under way on it at once.
  virtual void abort() = 0;
};

}  // namespace vmline::cli
