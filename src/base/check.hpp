// SPDX-License-Identifier: Apache-2.0
// CHECK: what cannot be. On in release builds too: a broken invariant of a line must stop the process (the next one takes the line up
// again from what the kernel keeps), never go on and corrupt it. Libc alone.
#pragma once
#include <cstdio>
#include <cstdlib>

namespace vmline {

[[noreturn]] inline void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "vmline: %s:%d: broken invariant: %s\n", file, line, expression);
  std::abort();
}

}  // namespace vmline

#define CHECK(expression)                                      \
  do {                                                         \
    if (!(expression)) [[unlikely]]                            \
      ::vmline::check_failed(#expression, __FILE__, __LINE__); \
  } while (false)
