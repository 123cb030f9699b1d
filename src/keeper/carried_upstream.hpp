// SPDX-License-Identifier: Apache-2.0
// A carried line: its pipe has a name in RUN, and the monitor holds it open at both ends, so that it outlives every process of ours.
#pragma once
#include <boost/asio/io_context.hpp>

#include "base/unique_fd.hpp"
#include "keeper/upstream.hpp"
#include "keeper/watch.hpp"

namespace vmline::keeper {

class CarriedUpstream : public Upstream {
 public:
  /// `output`: the FIFO the monitor writes. `input`: borrowed, a FIFO or the master of the pty that the monitor types from; -1 for none.
  CarriedUpstream(boost::asio::io_context& loop, UniqueFd output, int input, std::size_t pipe_size)
      : output_(std::move(output)), input_(input), pipe_size_(pipe_size), watch_(loop, output_.get()) {}

  Result<std::size_t> pump(os::Spool& spool, std::size_t most) override { return spool.pump(output_.get(), most); }
  void wait() override {
    watch_.wait(Watch::For::read, [this] { on_readable(); });
  }
  [[nodiscard]] int input() const override { return input_; }
  [[nodiscard]] const char* kind() const override { return "carried"; }
  [[nodiscard]] const char* state() const override { return "open"; }
  [[nodiscard]] std::size_t pipe_size() const override { return pipe_size_; }

 private:
  UniqueFd output_;
  int input_;
  std::size_t pipe_size_;
  Watch watch_;
};

}  // namespace vmline::keeper
