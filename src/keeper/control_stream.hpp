// SPDX-License-Identifier: Apache-2.0
// What the monitor says of itself (Cloud Hypervisor's events, QEMU's QMP): a FIFO spliced into a spool of its own, with the offset up to
// which it has been handled in the VM's state. So an event is neither lost nor handled twice over a keeper's death, and one that came
// while nobody of ours lived is found in the FIFO.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <functional>
#include <span>

#include "base/unique_fd.hpp"
#include "keeper/watch.hpp"
#include "os/spool.hpp"

namespace vmline::keeper {

class ControlStream {
 public:
  /// Bytes of the stream, in order, up to the offset `end`; returns up to where they have been handled: what follows is the beginning of a
  /// message that goes on. That offset must be kept in one with what came of them, else a SIGKILL in between handles them twice.
  std::function<Offset(std::span<const std::byte>, Offset end)> on_bytes;

  ControlStream(boost::asio::io_context& loop, os::Spool spool, UniqueFd fifo, Offset handled);

  /// Handles what is there, then waits for more.
  void run();
  /// Handles what is there now: after the monitor's end.
  void drain() { (void)take_all(); }
  /// Whether the monitor has said more than what is being handled.
  [[nodiscard]] bool more() const;
  [[nodiscard]] Offset handled() const { return handled_; }

 private:
  void handle();
  /// Whether all that the FIFO held could be taken.
  bool take_all();

  os::Spool spool_;
  UniqueFd fifo_;
  Watch watch_;
  boost::asio::steady_timer again_;
  Offset fed_;  ///< given to on_bytes
  Offset handled_;
};

}  // namespace vmline::keeper
