// SPDX-License-Identifier: Apache-2.0
// See quote.hpp.
#include "vmm/qemu/quote.hpp"

namespace vmline::vmm::qemu {

std::string quoted(std::string_view value) {
  std::string out;
  for (char c : value) out.append(c == ',' ? 2 : 1, c);
  return out;
}

std::string option(std::string_view first, std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  std::string out(first);
  for (const auto& [key, value] : values) {
    if (!out.empty()) out += ',';
    out.append(key).append("=").append(quoted(value));
  }
  return out;
}

std::string file_name(std::string_view path) { return path.starts_with('/') ? std::string(path) : "./" + std::string(path); }

}  // namespace vmline::vmm::qemu
