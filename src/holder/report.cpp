// SPDX-License-Identifier: Apache-2.0
// JSON by hand: there is no library in this process.
#include "holder/report.hpp"

#include <stdio.h>
#include <unistd.h>

namespace vmline::holder {

void report_error(int fd, const char* kind, const char* detail) {
  char line[8192];
  int length = ::snprintf(line, sizeof(line), R"({"result":"error","kind":"%s","detail":")", kind);
  for (; *detail != 0 && length < static_cast<int>(sizeof(line)) - 16; ++detail) {
    const unsigned char byte = static_cast<unsigned char>(*detail);
    if (byte < 0x20) {
      length += ::snprintf(line + length, sizeof(line) - length, "\\u%04x", byte);
    } else {
      if (byte == '"' || byte == '\\') line[length++] = '\\';
      line[length++] = static_cast<char>(byte);
    }
  }
  line[length++] = '"';
  line[length++] = '}';
  line[length++] = '\n';
  [[maybe_unused]] const ssize_t written = ::write(fd, line, length);
}

}  // namespace vmline::holder
