// SPDX-License-Identifier: Apache-2.0
// A VM's events as they happen, over the deaths of keepers and holders, until the VM is stopped.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <string>

#include "cli/finder.hpp"
#include "cli/web_socket.hpp"

namespace vmline::cli {

class EventStream {
 public:
  /// From the event numbered `from` on; without it, those that happen after connect().
  EventStream(asio::io_context& loop, const Finder& finder, std::string name, std::optional<std::uint64_t> from)
      : loop_(loop), finder_(finder), name_(std::move(name)), next_(from) {}

  /// False when the VM is stopped. Done by next() where it is needed.
  asio::awaitable<Result<bool>> connect();
  /// The next event; nothing when the VM is stopped. Where none has come yet and the connection was made anew, events may have been missed
  /// and {"type":"connected"} stands for them.
  asio::awaitable<Result<std::optional<boost::json::object>>> next();

 private:
  asio::io_context& loop_;
  const Finder& finder_;
  std::string name_;
  std::optional<std::uint64_t> next_;
  std::shared_ptr<WebSocket> socket_;
};

}  // namespace vmline::cli
