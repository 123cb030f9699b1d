// SPDX-License-Identifier: Apache-2.0
// What the monitor says of itself; see control_stream.hpp.
#include "keeper/control_stream.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace vmline::keeper {
namespace {

constexpr std::chrono::milliseconds retry_pause{100};

}  // namespace

ControlStream::ControlStream(boost::asio::io_context& loop, os::Spool spool, UniqueFd fifo, Offset handled)
    : spool_(std::move(spool)), fifo_(std::move(fifo)), watch_(loop, fifo_.get()), again_(loop), fed_(handled), handled_(handled) {}

void ControlStream::run() {
  if (take_all()) return watch_.wait(Watch::For::read, [this] { run(); });
  // A full tmpfs: the FIFO keeps it, and is readable all the time.
  again_.expires_after(retry_pause);
  again_.async_wait([this](boost::system::error_code error) {
    if (!error) run();
  });
}

bool ControlStream::take_all() {
  handle();
  while (true) {
    auto moved = spool_.pump(fifo_.get(), 64u << 10);
    if (!moved) return false;
    if (*moved == 0) return true;
    handle();
  }
}

bool ControlStream::more() const {
  pollfd now{fifo_.get(), POLLIN, 0};
  return fed_ < spool_.head() || ::poll(&now, 1, 0) != 0;
}

void ControlStream::handle() {
  std::array<std::byte, 16384> buffer;
  while (fed_ < spool_.head()) {
    auto n = spool_.read(fed_, std::span(buffer).first(std::min<Offset>(buffer.size(), spool_.head() - fed_)));
    if (!n || *n == 0) return;
    fed_ += *n;
    Offset handled = on_bytes(std::span<const std::byte>(buffer).first(*n), fed_);
    if (handled <= handled_) continue;
    handled_ = handled;
    spool_.raise_low(handled_ / os::page * os::page);
    spool_.punch({0, spool_.low()});
  }
}

}  // namespace vmline::keeper
