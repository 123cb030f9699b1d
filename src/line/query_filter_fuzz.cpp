// SPDX-License-Identifier: Apache-2.0
// Whatever comes, cut anywhere: the same is shown as in one piece, and nothing in it is a query any more.
#include "line/query_filter.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using vmline::line::QueryFilter;
  std::string_view all(reinterpret_cast<const char*>(data), size);
  std::size_t cut = size ? data[0] % size : 0;
  std::string whole, cut_in_two, again;
  QueryFilter one, two, three;
  one.feed(all, whole);
  two.feed(all.substr(0, cut), cut_in_two);
  two.feed(all.substr(cut), cut_in_two);
  CHECK(whole == cut_in_two);
  CHECK(whole.size() <= size);
  whole += '\x18';  // a sequence that was broken off stays one
  three.feed(whole, again);
  CHECK(again == whole);
  return 0;
}
