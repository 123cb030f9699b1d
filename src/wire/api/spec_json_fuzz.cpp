// SPDX-License-Identifier: Apache-2.0
// Any bytes as a spec: an error or a spec that is written and read back as the same.
#include "wire/api/spec_json.hpp"

#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>

#include "base/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vmline::api;
  auto spec = parse_spec({reinterpret_cast<const char*>(data), size});
  if (!spec) {
    CHECK(!spec.error().sentence().empty() && spec.error().sentence().size() < 1000);
    return 0;
  }
  boost::json::object written = to_json(*spec);
  auto again = parse_spec(boost::json::serialize(written));
  CHECK(again.has_value() && to_json(*again) == written);
  return 0;
}
