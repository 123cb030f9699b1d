// SPDX-License-Identifier: Apache-2.0
// /proc/self/oom_score_adj, read and written without stdio, which would allocate.
#include "holder/oom_score.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/unique_fd.hpp"

namespace vmline::holder {

namespace {
constexpr char path[] = "/proc/self/oom_score_adj";
}

bool read_oom_score(int& score) {
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  char text[16] = {};
  if (!file || ::read(file.get(), text, sizeof(text) - 1) <= 0) return false;
  score = ::atoi(text);
  return true;
}

bool write_oom_score(int score) {
  const UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
  char text[16];
  const int length = ::snprintf(text, sizeof(text), "%d", score);
  return file && ::write(file.get(), text, length) == length;
}

}  // namespace vmline::holder
