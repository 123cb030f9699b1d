// SPDX-License-Identifier: Apache-2.0
// A pty as a monitor's stdin: Cloud Hypervisor types only from a terminal. The slave has mode 0000, so nobody opens it by name; it is
// opened for the monitor, and once for us, by TIOCGPTPEER. One slave stays open with us: without any, the master polls HUP for ever.
#pragma once
#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace vmline::os {

struct Pty {
  /// raw: bytes as they are. lines: as a terminal has it, but without echo.
  enum class Mode { raw, lines };
  UniqueFd master;
  UniqueFd slave;
  static Result<Pty> create(Mode mode);
};

/// A slave of this master, opened without its name.
Result<UniqueFd> open_slave(int master);

}  // namespace vmline::os
