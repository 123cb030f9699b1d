// SPDX-License-Identifier: Apache-2.0
// Waiting for a descriptor that somebody else owns. The registration ends with the object; no handler runs after that.
#pragma once
#include <poll.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>

namespace vmline::keeper {

class Watch {
 public:
  enum class For { read, write, hang_up };

  Watch(boost::asio::io_context& loop, int fd) : descriptor_(loop, fd) {}
  ~Watch() {
    // release() takes the descriptor out of epoll: closing it would not while the holder has the same file open.
    (void)descriptor_.release();
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Calls `handler` once, when the descriptor is ready (or has failed). Asking for what is waited for already changes nothing.
  /// Only when it really is: what Asio keeps of a descriptor is used again, and one that is registered in the turn in which another was
  /// let go can be told the other's readiness. Who takes a pidfd's for a process's end, or a client's for its going, must not be told that.
  template <class Handler>
  void wait(For what, Handler handler) {
    bool& waiting = waiting_[static_cast<int>(what)];
    if (waiting) return;
    waiting = true;
    using Descriptor = boost::asio::posix::stream_descriptor;
    auto type = what == For::read ? Descriptor::wait_read : what == For::write ? Descriptor::wait_write : Descriptor::wait_error;
    descriptor_.async_wait(
        type, [this, alive = std::weak_ptr<bool>(alive_), what, handler = std::move(handler)](boost::system::error_code error) mutable {
          if (alive.expired()) return;
          waiting_[static_cast<int>(what)] = false;
          if (error) return;
          if (!ready(what)) return wait(what, std::move(handler));
          handler();
        });
  }
  [[nodiscard]] bool waiting(For what) const { return waiting_[static_cast<int>(what)]; }

 private:
  bool ready(For what) {
    short events = what == For::read ? POLLIN : what == For::write ? POLLOUT : POLLPRI;
    pollfd now{descriptor_.native_handle(), events, 0};
    return ::poll(&now, 1, 0) != 0;
  }

  boost::asio::posix::stream_descriptor descriptor_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool waiting_[3] = {};
};

}  // namespace vmline::keeper
