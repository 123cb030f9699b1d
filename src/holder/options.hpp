// SPDX-License-Identifier: Apache-2.0
// The holder's command line: vmline-holder [--succeed] [--report FD] DIR -- KEEPER ARGV…
#pragma once

namespace vmline::holder {

struct Options {
  bool succeed = false;
  int report = -1;
  const char* directory = nullptr;  ///< RUN/NAME
  const char* vm = nullptr;         ///< NAME
  char** keeper = nullptr;          ///< its argv, the program's path first
};

/// False when it makes no sense; the caller says how it is used.
bool read_options(int argc, char** argv, Options& options);

}  // namespace vmline::holder
