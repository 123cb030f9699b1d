// SPDX-License-Identifier: Apache-2.0
// Types into a line behind the back of whoever reads the keyboard: a guest that takes nothing, or a keeper that is away, never keeps the
// key that leaves from being seen.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <string>
#include <string_view>

#include "cli/line_stream.hpp"

namespace vmline::cli {

class Typist {
 public:
  Typist(asio::io_context& loop, LineStream& stream) : stream_(stream), changed_(loop, asio::steady_timer::time_point::max()) {}

  /// What does not fit (limits::input_queue) is not taken: false.
  bool add(std::string_view text);
  /// Returns when there is room for `size` bytes more.
  asio::awaitable<void> room(std::size_t size);
  /// Returns when everything was typed and the guest has taken it.
  asio::awaitable<void> done();

  /// Types, for ever.
  asio::awaitable<void> run();

 private:
  asio::awaitable<void> change();

  LineStream& stream_;
  asio::steady_timer changed_;  ///< never expires; cancelled at every change of what follows
  std::string waiting_;
  bool typing_ = false;
};

}  // namespace vmline::cli
