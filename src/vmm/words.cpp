// SPDX-License-Identifier: Apache-2.0
// See words.hpp.
#include "vmm/words.hpp"

#include "base/limits.hpp"

namespace vmline::vmm {

std::string plain_words(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (out.size() >= limits::monitor_words) {
      // Not within a character of several bytes.
      while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xc0) == 0x80) out.pop_back();
      if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xc0) out.pop_back();
      return out + "…";
    }
    bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (!control) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace vmline::vmm
