// SPDX-License-Identifier: Apache-2.0
// Something that coroutines of one loop wait for: notify() wakes all who wait.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

namespace vmline::keeper {

class Condition {
 public:
  explicit Condition(boost::asio::io_context& loop) : loop_(loop), timer_(loop) {
    timer_.expires_at(boost::asio::steady_timer::time_point::max());
  }

  void notify() { timer_.cancel(); }

  /// Returns at the next notify().
  boost::asio::awaitable<void> wait() {
    boost::system::error_code ignored;
    co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }

  /// (GCC 12 destroys a temporary lambda in a co_await twice: capture by reference only, nothing with a destructor.)
  /// Returns when `predicate` holds (true) or the time is over (false). It is looked at after each notify().
  template <class Predicate>
  boost::asio::awaitable<bool> wait_for(std::chrono::milliseconds limit, Predicate predicate) {
    auto deadline = std::chrono::steady_clock::now() + limit;
    while (!predicate()) {
      if (std::chrono::steady_clock::now() >= deadline) co_return false;
      boost::asio::steady_timer over(loop_, deadline);
      over.async_wait([this](boost::system::error_code error) {
        if (!error) notify();
      });
      co_await wait();
    }
    co_return true;
  }

 private:
  boost::asio::io_context& loop_;
  boost::asio::steady_timer timer_;
};

}  // namespace vmline::keeper
