// SPDX-License-Identifier: Apache-2.0
// Types into a line behind the back of whoever reads the keyboard; see typist.hpp.
#include "cli/typist.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/limits.hpp"

namespace vmline::cli {
namespace {

constexpr std::size_t message_size = 4096;  ///< bytes typed by one message: a line of a terminal in canonical mode is no longer

}  // namespace

bool Typist::add(std::string_view text) {
  if (waiting_.size() + text.size() > limits::input_queue) return false;
  waiting_ += text;
  changed_.cancel();
  return true;
}

asio::awaitable<void> Typist::change() {
  boost::system::error_code ec;
  co_await changed_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
}

asio::awaitable<void> Typist::room(std::size_t size) {
  while (waiting_.size() + size > limits::input_queue) co_await change();
}

asio::awaitable<void> Typist::done() {
  while (typing_ || !waiting_.empty()) co_await change();
  co_await stream_.flush();
}

asio::awaitable<void> Typist::run() {
  while (true) {
    while (waiting_.empty()) co_await change();
    std::string piece = waiting_.substr(0, message_size);
    waiting_.erase(0, piece.size());
    typing_ = true;
    co_await stream_.type(std::move(piece));
    typing_ = false;
    changed_.cancel();
  }
}

}  // namespace vmline::cli
