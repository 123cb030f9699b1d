// SPDX-License-Identifier: Apache-2.0
// What clients type; see input.hpp.
#include "keeper/input.hpp"

#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "base/limits.hpp"

namespace vmline::keeper {
namespace {
constexpr std::chrono::seconds lease_time{5};
}

void Input::connect(int fd) {
  watch_.reset();
  queue_.clear();
  sent_ = 0;
  fd_ = fd;
  if (fd >= 0) watch_ = std::make_unique<Watch>(loop_, fd);
}

std::size_t Input::room() const { return limits::input_queue - (queue_.size() - sent_); }

Result<> Input::type(const std::string& who, std::span<const std::byte> data) {
  if (!may_type(who)) return fail(writer_ + " is typing here; take the line over with --take", ErrorKind::conflict);
  if (fd_ < 0) return fail("this line takes no input now", ErrorKind::conflict);
  if (data.size() > room()) return fail("the guest does not read what is typed", ErrorKind::conflict);
  set_writer(who);
  renew();
  queue_.append(reinterpret_cast<const char*>(data.data()), data.size());
  flush();
  return {};
}

void Input::take(const std::string& who) {
  set_writer(who);
  renew();
}

void Input::leave(const std::string& who) {
  if (!who.empty() && writer_ == who) set_writer("");
}

void Input::set_writer(const std::string& who) {
  if (writer_ == who) return;
  writer_ = who;
  if (who.empty()) lease_.cancel();
  if (on_writer) on_writer(writer_);
}

void Input::renew() {
  lease_.expires_after(lease_time);
  lease_.async_wait([this](boost::system::error_code error) {
    if (!error) set_writer("");
  });
}

void Input::flush() {
  bool was_full = room() == 0;
  while (sent_ < queue_.size() && fd_ >= 0) {
    ssize_t n = ::write(fd_, queue_.data() + sent_, queue_.size() - sent_);
    if (n > 0) {
      sent_ += static_cast<std::size_t>(n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) {
      // The other end is gone: what was typed for it is not for the next one.
      queue_.clear();
      sent_ = 0;
      break;
    }
    watch_->wait(Watch::For::write, [this] { flush(); });
    break;
  }
  if (sent_ == queue_.size()) {
    queue_.clear();
    sent_ = 0;
  } else if (sent_ > limits::input_queue / 2) {
    queue_.erase(0, sent_);
    sent_ = 0;
  }
  if (was_full && room() > 0 && on_room) on_room();
}

}  // namespace vmline::keeper
