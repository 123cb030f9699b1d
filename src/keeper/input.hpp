// SPDX-License-Identifier: Apache-2.0
// What clients type into a line: one writer at a time by lease, a bounded queue, promised at most once. The lease is let go after 5 s
// without typing, or taken over by force, and its holder is told.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/error.hpp"
#include "keeper/watch.hpp"

namespace vmline::keeper {

class Input {
 public:
  /// The lease changed hands (empty: it is free).
  std::function<void(const std::string& writer)> on_writer;
  /// There is room again for the writer's bytes.
  std::function<void()> on_room;

  explicit Input(boost::asio::io_context& loop) : loop_(loop), lease_(loop) {}

  /// Where typed bytes go (borrowed, non-blocking), or -1 while there is nowhere. What was queued for another is dropped.
  void connect(int fd);

  [[nodiscard]] const std::string& writer() const { return writer_; }
  /// Whether `who` has the lease or could have it now.
  [[nodiscard]] bool may_type(const std::string& who) const { return writer_.empty() || writer_ == who; }
  /// How many bytes can be queued now.
  [[nodiscard]] std::size_t room() const;

  /// Queues bytes and takes or renews the lease. `conflict` when somebody else has it, or when the line takes no input.
  Result<> type(const std::string& who, std::span<const std::byte> data);
  void take(const std::string& who);
  /// `who` has gone.
  void leave(const std::string& who);

 private:
  void set_writer(const std::string& who);
  void renew();
  void flush();

  boost::asio::io_context& loop_;
  boost::asio::steady_timer lease_;
  std::string writer_;
  int fd_ = -1;
  std::unique_ptr<Watch> watch_;
  std::string queue_;
  std::size_t sent_ = 0;
};

}  // namespace vmline::keeper
