// SPDX-License-Identifier: Apache-2.0
// History for clients that are below the spool's live part: paged back from the journal into the spool at its own offsets, a window at a
// time, and punched out again. One way for every client, and one cursor for life. The windows have a limit in all; a client whose
// turn it is not waits. Nothing here is pinned: whoever could not be served at once asks again.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/units.hpp"
#include "keeper/disk_threads.hpp"
#include "os/spool.hpp"

namespace vmline::keeper {

/// What a reading of the journal gave: bytes at an offset, or a loss that covers it.
struct HistoryBytes {
  Offset begin = 0;
  std::string data;
};
struct HistoryLoss {
  Range range;
  std::string cause;
};
/// The journal cannot be read for now (it is not open yet, or its disk fails): ask again.
struct HistoryLater {};
using HistoryResult = std::variant<HistoryBytes, HistoryLoss, HistoryLater>;

class History {
 public:
  /// Reads the journal, on a disk thread: bytes that contain `at`, from `from` (at or before it) to at most `to`, or the loss at `at`.
  using Read = std::function<HistoryResult(Offset from, Offset at, Offset to)>;
  using Ready = std::function<void()>;

  struct Filled {
    Offset end = 0;  ///< the spool can be read from the asked offset up to here
  };
  struct Pending {};  ///< `ready` will be called
  using Answer = std::variant<Filled, HistoryLoss, Pending>;

  History(boost::asio::io_context& loop, DiskThreads& disks, os::Spool& spool, Read read);

  /// What the spool has at `at`, which lies below `low`.
  Answer at(Offset at, Offset low, Ready ready);
  [[nodiscard]] std::size_t windows() const { return windows_.size(); }

 private:
  struct Window {
    Range filled;
    bool filling = false;
    std::optional<HistoryLoss> loss;
    std::vector<Ready> waiting;
    std::chrono::steady_clock::time_point used;
  };
  void fill(Offset index, Offset at, Offset low);
  void filled(Offset index, HistoryResult result);
  void ask_later(Offset index);
  void wake_queue();
  bool evict(std::chrono::steady_clock::time_point unused_since);
  void arm_expiry();

  boost::asio::io_context& loop_;
  DiskThreads& disks_;
  std::optional<DiskThreads::Worker> worker_;  ///< started when first needed
  os::Spool& spool_;
  Read read_;
  std::map<Offset, Window> windows_;  ///< by offset / window size
  std::deque<Ready> queue_;           ///< those who wait for a window to become free
  boost::asio::steady_timer expiry_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace vmline::keeper
