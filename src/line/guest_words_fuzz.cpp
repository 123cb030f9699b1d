// SPDX-License-Identifier: Apache-2.0
// Any bytes, cut anywhere: the same is found as in the whole.
#include "line/guest_words.hpp"

#include <algorithm>
#include <cstdint>

#include "base/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vmline::line;
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static const std::vector<WordRule> rules = {{"ab", "ab", ""}, {"number", "", "[0-9]{3}"}};
  auto whole = GuestWords::create("R ", rules), parts = GuestWords::create("R ", rules);
  std::vector<WordMatch> at_once, in_parts;
  whole->feed(0, bytes, at_once);
  for (std::size_t at = 0; at < size;) {
    std::size_t n = std::min<std::size_t>(1 + data[at] % 8, size - at);
    parts->feed(at, bytes.substr(at, n), in_parts);
    at += n;
  }
  // A rule may match what a line begins with before more of it comes: found in the pieces only, never in the whole only.
  CHECK(in_parts.size() >= at_once.size());
  for (const WordMatch& match : at_once) {
    CHECK(match.offset < size);
    bool found = false;
    for (const WordMatch& other : in_parts) found = found || (other.rule == match.rule && other.offset == match.offset);
    CHECK(found);
  }
  CHECK(whole->resume_at() <= size && parts->resume_at() == whole->resume_at());
  return 0;
}
