// SPDX-License-Identifier: Apache-2.0
// The monitor's end of a line, as the line sees it: something to wait for, bytes to be moved into the spool, and somewhere to type.
#pragma once
#include <cstddef>
#include <functional>
#include <string>

#include "base/error.hpp"
#include "os/spool.hpp"

namespace vmline::keeper {

class Upstream {
 public:
  /// There may be bytes: pump.
  std::function<void()> on_readable;
  /// state() or input() has become another.
  std::function<void()> on_change;

  /// A monitor is there again after one was gone: what follows is of a new boot.
  std::function<void()> on_reconnected;

  virtual ~Upstream() = default;
  /// Moves at most `most` bytes to the spool's end; 0: nothing there now.
  virtual Result<std::size_t> pump(os::Spool& spool, std::size_t most) = 0;
  /// Calls on_readable once, when there is something.
  virtual void wait() = 0;
  /// The line ends while its monitor goes on: asks it to send no more. What is on its way is still to be pumped, until state() is not
  /// "open".
  virtual void shut_down() {}
  /// Where typed bytes go (non-blocking), or -1.
  [[nodiscard]] virtual int input() const = 0;
  [[nodiscard]] virtual const char* kind() const = 0;
  /// "open", "waiting" or "ended".
  [[nodiscard]] virtual const char* state() const = 0;
  /// Bytes that the pipe between monitor and spool can hold.
  [[nodiscard]] virtual std::size_t pipe_size() const = 0;
};

}  // namespace vmline::keeper
