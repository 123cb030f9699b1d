// SPDX-License-Identifier: Apache-2.0
// One line of a VM as the control API streams it, over the deaths of keepers and holders: what comes is every byte once, in order, and
// every gap told. A connection that ends without a word is made again at the offset that was reached; a VM that is gone ends it.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "cli/finder.hpp"
#include "cli/line_messages.hpp"
#include "cli/web_socket.hpp"

namespace vmline::cli {

struct LineRequest {
  std::string name;
  std::string line;
  std::string from = "tail";  ///< as the API takes it
  bool read_only = true;
  bool take = false;
};

class LineStream {
 public:
  /// Nothing is connected yet. The finder brings a VM back from a thread of the stream's own: it may block for long.
  LineStream(asio::io_context& loop, const Finder& finder, LineRequest request);
  /// Must come before the loop's end.
  ~LineStream();
  LineStream(const LineStream&) = delete;
  LineStream& operator=(const LineStream&) = delete;

  /// The next message; after LineClosing there is none. LineOpened comes once: a connection made anew is not told, except by what was lost.
  /// The error is final.
  asio::awaitable<Result<LineMessage>> next();

  /// Types into the guest, at most once: what is on its way when the keeper dies is lost. Waits while there is no connection. Somebody
  /// must be waiting in next().
  asio::awaitable<void> type(std::string bytes);
  /// Returns when the guest has taken all that was typed, as far as the keeper knows.
  asio::awaitable<void> flush();

  [[nodiscard]] Offset offset() const { return offset_; }

 private:
  asio::awaitable<Result<>> connect();
  asio::awaitable<std::shared_ptr<WebSocket>> connected();
  std::optional<LineMessage> accept(LineMessage message);
  [[nodiscard]] std::string target() const;

  asio::io_context& loop_;
  const Finder& finder_;
  LineRequest request_;
  std::shared_ptr<WebSocket> socket_;
  asio::steady_timer connected_;  ///< never expires; cancelled when there is a connection
  bool opened_ = false;           ///< once
  bool replayed_ = false;         ///< the first replay has ended
  bool writer_ = false;           ///< the lease is ours
  Offset offset_ = 0;             ///< of the next byte to hand out
  Offset arriving_ = 0;           ///< of the next byte on this connection
  std::uint64_t boot_ = 0;        ///< the newest that was told
  std::optional<Offset> loss_;    ///< the same of bytes lost that nobody has counted
  std::stop_source leaving_;
  asio::thread_pool finding_{1};
};

}  // namespace vmline::cli
