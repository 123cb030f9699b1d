// SPDX-License-Identifier: Apache-2.0
// See environment.hpp.
#include "os/environment.hpp"

#include <unistd.h>

namespace vmline::os {

std::vector<std::string> environment() {
  std::vector<std::string> all;
  for (char** entry = environ; *entry; ++entry) all.emplace_back(*entry);
  return all;
}

}  // namespace vmline::os
