// SPDX-License-Identifier: Apache-2.0
// Lines to stderr, by ourselves or by a child where that could hang.
#include "holder/log.hpp"

#include <linux/close_range.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vmline::holder {

Log::Log() : refilled_(clock_now()) {
  struct stat status{};
  file_ = ::fstat(STDERR_FILENO, &status) == 0 && S_ISREG(status.st_mode);
}

bool Log::allowed() {
  const Moment now = clock_now();
  while (tokens_ < burst && now - refilled_ >= refill) {
    ++tokens_;
    refilled_ += refill;
  }
  if (tokens_ == burst) refilled_ = now;
  if (tokens_ == 0) return false;
  --tokens_;
  return true;
}

void Log::line(const char* format, ...) {
  if (!allowed()) {
    ++dropped_;
    return;
  }
  char text[512];
  int length = ::snprintf(text, sizeof(text), "holder[%d]: ", static_cast<int>(::getpid()));
  if (dropped_ != 0) length += ::snprintf(text + length, sizeof(text) - length, "(%lu lines not shown) ", dropped_);
  va_list arguments;
  va_start(arguments, format);
  const int wanted = ::vsnprintf(text + length, sizeof(text) - length, format, arguments);
  va_end(arguments);
  const int room = static_cast<int>(sizeof(text)) - length - 1;
  length += wanted < room ? wanted : room - 1;
  text[length++] = '\n';
  if (file_) return write_by_child(text, length);
  pollfd writable{STDERR_FILENO, POLLOUT, 0};
  // A pipe that polls writable has room for PIPE_BUF bytes, which is more than a line.
  if (::poll(&writable, 1, 0) == 1 && (writable.revents & POLLOUT) != 0 && ::write(STDERR_FILENO, text, length) == length) {
    dropped_ = 0;
  } else {
    ++dropped_;
  }
}

void Log::write_by_child(const char* text, int length) {
  for (int& writer : writers_) {
    if (writer != 0) continue;
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::syscall(SYS_close_range, 3U, ~0U, 0U);  // first of all: locks live as long as a copy of their description does
      [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, length);
      ::_exit(0);
    }
    if (pid > 0) {
      writer = pid;
      dropped_ = 0;
      return;
    }
    break;
  }
  ++dropped_;
}

bool Log::reaped(int pid) {
  for (int& writer : writers_) {
    if (writer != pid) continue;
    writer = 0;
    return true;
  }
  return false;
}

}  // namespace vmline::holder
