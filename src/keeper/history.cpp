// SPDX-License-Identifier: Apache-2.0
// History for clients that are far behind; see history.hpp.
#include "keeper/history.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/limits.hpp"

namespace vmline::keeper {
namespace {
constexpr std::chrono::seconds unused_limit{1};
}

History::History(boost::asio::io_context& loop, DiskThreads& disks, os::Spool& spool, Read read)
    : loop_(loop), disks_(disks), spool_(spool), read_(std::move(read)), expiry_(loop) {}

History::Answer History::at(Offset at, Offset low, Ready ready) {
  auto now = std::chrono::steady_clock::now();
  Offset index = at / limits::history_window;
  auto it = windows_.find(index);
  if (it == windows_.end()) {
    if (windows_.size() >= limits::history_windows && !evict(now)) {
      queue_.push_back(std::move(ready));
      return Pending{};
    }
    it = windows_.emplace(index, Window{}).first;
  }
  Window& window = it->second;
  window.used = now;
  arm_expiry();
  if (window.filled.begin <= at && at < window.filled.end) return Filled{window.filled.end};
  if (window.loss && window.loss->range.begin <= at && at < window.loss->range.end) return *window.loss;
  window.waiting.push_back(std::move(ready));
  if (!window.filling) fill(index, at, low);
  return Pending{};
}

void History::fill(Offset index, Offset at, Offset low) {
  Window& window = windows_.at(index);
  window.filling = true;
  Offset begin = std::max(index * limits::history_window, window.filled.end <= at ? window.filled.end : 0);
  Offset end = std::min((index + 1) * limits::history_window, low);
  if (!worker_) worker_ = disks_.worker();
  worker_->run([this, index, begin, at, end] {
    auto result = read_(begin, at, end);
    disks_.complete([this, index, result = std::move(result)]() mutable { filled(index, std::move(result)); });
  });
}

void History::filled(Offset index, HistoryResult result) {
  auto it = windows_.find(index);
  if (it == windows_.end()) return;
  Window& window = it->second;
  window.filling = false;
  window.loss.reset();
  window.used = std::chrono::steady_clock::now();
  if (auto* bytes = std::get_if<HistoryBytes>(&result)) {
    ssize_t n = ::pwrite(spool_.fd(), bytes->data.data(), bytes->data.size(), static_cast<off_t>(bytes->begin));
    if (n > 0) {
      Offset end = bytes->begin + static_cast<Offset>(n);
      // What joins on to what was there before extends it; else it takes its place.
      if (!window.filled.empty() && window.filled.end != bytes->begin) spool_.punch(window.filled);
      if (window.filled.empty() || window.filled.end != bytes->begin) window.filled.begin = bytes->begin;
      window.filled.end = end;
    }
    // On a full tmpfs nothing was written: those who wait ask again, and so on until there is room.
    if (n <= 0) return ask_later(index);
  } else if (std::holds_alternative<HistoryLater>(result)) {
    return ask_later(index);
  } else {
    window.loss = std::get<HistoryLoss>(std::move(result));
  }
  auto waiting = std::move(window.waiting);
  window.waiting.clear();
  for (Ready& ready : waiting) ready();
  wake_queue();
}

void History::ask_later(Offset index) {
  auto timer = std::make_shared<boost::asio::steady_timer>(loop_, std::chrono::milliseconds(50));
  timer->async_wait([this, index, timer, alive = std::weak_ptr<bool>(alive_)](boost::system::error_code) {
    if (alive.expired()) return;
    auto it = windows_.find(index);
    if (it == windows_.end()) return;
    auto waiting = std::move(it->second.waiting);
    spool_.punch(it->second.filled);
    windows_.erase(it);
    for (Ready& ready : waiting) ready();
  });
}

void History::wake_queue() {
  // One window is enough for one turn; who gets Pending again stands at the queue's end.
  if (queue_.empty()) return;
  Ready next = std::move(queue_.front());
  queue_.pop_front();
  next();
}

bool History::evict(std::chrono::steady_clock::time_point unused_since) {
  auto oldest = windows_.end();
  for (auto it = windows_.begin(); it != windows_.end(); ++it) {
    if (it->second.filling || !it->second.waiting.empty() || it->second.used > unused_since) continue;
    if (oldest == windows_.end() || it->second.used < oldest->second.used) oldest = it;
  }
  if (oldest == windows_.end()) return false;
  spool_.punch(oldest->second.filled);
  windows_.erase(oldest);
  return true;
}

void History::arm_expiry() {
  if (expiry_.expiry() > std::chrono::steady_clock::now()) return;
  expiry_.expires_after(unused_limit);
  expiry_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    while (evict(std::chrono::steady_clock::now() - unused_limit)) {
    }
    wake_queue();
    if (!windows_.empty()) arm_expiry();
  });
}

}  // namespace vmline::keeper
