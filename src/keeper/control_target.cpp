// SPDX-License-Identifier: Apache-2.0
// Request targets; see control_target.hpp.
#include "keeper/control_target.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.hpp"

namespace vmline::keeper {
namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    int byte = static_cast<unsigned char>(text[i]);
    if (text[i] == '%') {
      int high = i + 1 < text.size() ? digit(text[i + 1]) : -1;
      int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return fail("the request's target has a % without two hexadecimal digits after it", ErrorKind::usage);
      byte = high * 16 + low;
      i += 2;
    }
    if (byte < 0x20 || byte > 0x7e) {
      return fail(fmt::format("the request's target has byte 0x{:02x} in it: only printable ASCII has a meaning here", byte),
                  ErrorKind::usage);
    }
    out += static_cast<char>(byte);
  }
  return out;
}

/// Cuts what is before the next `separator` off the front of `rest`; false when nothing is left.
bool next_part(std::string_view& rest, char separator, std::string_view& part, bool& more) {
  if (!more) return false;
  std::size_t end = rest.find(separator);
  more = end != std::string_view::npos;
  part = rest.substr(0, end);
  rest.remove_prefix(more ? end + 1 : rest.size());
  return true;
}

}  // namespace

Result<Target> parse_target(std::string_view text) {
  if (!text.starts_with('/')) return fail("the request's target does not begin with a slash", ErrorKind::usage);
  std::size_t mark = text.find('?');
  std::string_view path = text.substr(1, mark == std::string_view::npos ? mark : mark - 1);
  std::string_view query = mark == std::string_view::npos ? std::string_view() : text.substr(mark + 1);

  Target target;
  std::string_view part;
  for (bool more = true; next_part(path, '/', part, more);) {
    if (target.path.size() == limits::target_parts) return fail("the request's target has too many parts", ErrorKind::usage);
    TRY_ASSIGN(std::string segment, decode(part));
    target.path.push_back(std::move(segment));
  }
  for (bool more = true; next_part(query, '&', part, more);) {
    if (part.empty()) continue;
    if (target.query.size() == limits::target_parts) return fail("the request's target has too many parameters", ErrorKind::usage);
    std::size_t equals = std::min(part.find('='), part.size());
    TRY_ASSIGN(std::string name, decode(part.substr(0, equals)));
    TRY_ASSIGN(std::string value, decode(part.substr(std::min(equals + 1, part.size()))));
    if (std::ranges::find(target.query, name, &Parameter::name) != target.query.end()) {
      return fail(fmt::format("parameter {} is given twice", name), ErrorKind::usage);
    }
    target.query.push_back({std::move(name), std::move(value)});
  }
  return target;
}

}  // namespace vmline::keeper
