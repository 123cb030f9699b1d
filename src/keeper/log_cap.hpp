// SPDX-License-Identifier: Apache-2.0
// Keeps monitor.log from filling the disk: once it has grown beyond its limit its content becomes monitor.log.1, and it goes on empty. Its
// writers have it open O_APPEND, so they go on at its new end; what they write in the instant between copy and truncation is lost.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "base/unique_fd.hpp"
#include "keeper/disk_threads.hpp"
#include "keeper/our_log.hpp"
#include "keeper/watch.hpp"

namespace vmline::keeper {

class LogCap {
 public:
  /// The file must be there. Looked at when it has been written, at most once a second; an idle one costs nothing.
  LogCap(boost::asio::io_context& loop, DiskThreads& disks, Log& log, std::string path, std::uint64_t most);

 private:
  void wait();
  void look();

  DiskThreads& disks_;
  DiskThreads::Worker worker_;
  Log& log_;
  std::string path_;
  std::uint64_t most_;
  UniqueFd inotify_;
  std::unique_ptr<Watch> watch_;
  boost::asio::steady_timer pause_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace vmline::keeper
