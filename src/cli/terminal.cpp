// SPDX-License-Identifier: Apache-2.0
// The user's terminal in raw mode; see terminal.hpp.
#include "cli/terminal.hpp"

#include <csignal>

namespace vmline::cli {
namespace {

/// From a background process group this would stop us (SIGTTOU) instead of being done.
void set_mode(int fd, const termios& mode) {
  struct sigaction ignore{};
  struct sigaction before{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGTTOU, &ignore, &before);
  ::tcsetattr(fd, TCSANOW, &mode);
  ::sigaction(SIGTTOU, &before, nullptr);
}

}  // namespace

Result<RawTerminal> RawTerminal::enter(int fd) {
  termios saved{};
  if (::tcgetattr(fd, &saved) != 0) return fail_errno("read the terminal's mode");
  RawTerminal terminal(fd, saved);
  terminal.enter_again();
  return terminal;
}

RawTerminal::~RawTerminal() {
  if (fd_ >= 0) set_mode(fd_, saved_);
}

void RawTerminal::enter_again() const {
  termios raw = saved_;
  ::cfmakeraw(&raw);
  set_mode(fd_, raw);
}

void RawTerminal::discard_input() const { ::tcflush(fd_, TCIFLUSH); }

}  // namespace vmline::cli
