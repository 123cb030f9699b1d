// SPDX-License-Identifier: Apache-2.0
// The user's terminal in raw mode, for as long as this lives.
#pragma once
#include <termios.h>

#include <utility>

#include "base/error.hpp"

namespace vmline::cli {

class RawTerminal {
 public:
  static Result<RawTerminal> enter(int fd);
  RawTerminal(RawTerminal&& other) noexcept : fd_(std::exchange(other.fd_, -1)), saved_(other.saved_) {}
  RawTerminal& operator=(RawTerminal&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(saved_, other.saved_);
    return *this;
  }
  /// As it was before.
  ~RawTerminal();

  /// Raw once more: a shell that had the terminal meanwhile (the program was stopped and continued) has put it back.
  void enter_again() const;
  /// Forgets what was typed and not read yet.
  void discard_input() const;

 private:
  RawTerminal(int fd, const termios& saved) : fd_(fd), saved_(saved) {}
  int fd_;
  termios saved_;
};

/// What a guest may have left a terminal in, put back: colours, cursor, margins, mouse reports, the alternate screen, …
inline constexpr const char* terminal_reset =
    "\x1b[0m\x1b(B\x0f\x1b[?47l\x1b"
    "7\x1b[r\x1b"
    "8\x1b[?1l\x1b>\x1b[?7h\x1b[4l\x1b[?25h"
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?2004l";

}  // namespace vmline::cli
