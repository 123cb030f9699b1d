// SPDX-License-Identifier: Apache-2.0
// A time limit for what a coroutine awaits: when it passes, what is awaited is cancelled.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <cstdint>
#include <memory>

#include "keeper/service.hpp"

namespace vmline::keeper {

/// For one coroutine, which was spawned with slot() and has `throw_if_cancelled(false)`.
class Deadline {
 public:
  explicit Deadline(const asio::any_io_executor& executor) : timer_(executor) {}

  [[nodiscard]] asio::cancellation_slot slot() { return cancel_->slot(); }

  void arm(std::chrono::milliseconds time) {
    passed_ = false;
    timer_.expires_after(time);
    timer_.async_wait([this, weak = std::weak_ptr<asio::cancellation_signal>(cancel_), number = ++armed_](boost::system::error_code error) {
      // The timer may have expired and its handler be on its way when it was disarmed.
      if (weak.expired() || error || armed_ != number) return;
      passed_ = true;
      cancel_->emit(asio::cancellation_type::terminal);
    });
  }

  /// Whether it passed. What is awaited next is not cancelled.
  asio::awaitable<bool> disarm() {
    ++armed_;
    timer_.cancel();
    if (passed_ && !ended_) co_await asio::this_coro::reset_cancellation_state();
    co_return passed_;
  }
  [[nodiscard]] bool passed() const { return passed_; }

  /// Cancels whatever the coroutine awaits, now and later.
  void end() {
    ended_ = true;
    cancel_->emit(asio::cancellation_type::terminal);
  }

 private:
  asio::steady_timer timer_;
  std::shared_ptr<asio::cancellation_signal> cancel_ = std::make_shared<asio::cancellation_signal>();
  std::uint64_t armed_ = 0;  ///< how often; tells a handler that comes too late
  bool passed_ = false;
  bool ended_ = false;
};

}  // namespace vmline::keeper
