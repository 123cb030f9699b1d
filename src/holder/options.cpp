// SPDX-License-Identifier: Apache-2.0
// The words of the command line, one after the other.
#include "holder/options.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

namespace vmline::holder {

namespace {

bool read_descriptor(const char* text, int& fd) {
  char* end = nullptr;
  const long number = ::strtol(text, &end, 10);
  if (*text == 0 || *end != 0 || number < 3 || number > 1'000'000) return false;
  fd = static_cast<int>(number);
  return ::fcntl(fd, F_GETFD) >= 0;
}

}  // namespace

bool read_options(int argc, char** argv, Options& options) {
  int at = 1;
  for (; at < argc && ::strncmp(argv[at], "--", 2) == 0; ++at) {
    if (::strcmp(argv[at], "--succeed") == 0) {
      options.succeed = true;
    } else if (::strcmp(argv[at], "--report") == 0 && at + 1 < argc) {
      if (!read_descriptor(argv[++at], options.report)) return false;
    } else {
      return false;
    }
  }
  if (argc - at < 3 || ::strcmp(argv[at + 1], "--") != 0) return false;
  options.directory = argv[at];
  options.keeper = argv + at + 2;
  const char* slash = ::strrchr(options.directory, '/');
  options.vm = slash == nullptr ? options.directory : slash + 1;
  return *options.vm != 0;
}

}  // namespace vmline::holder
