// SPDX-License-Identifier: Apache-2.0
// Whatever a client writes into its request line: parsing ends, and what comes out is printable ASCII and within its limits.
#include "keeper/control_target.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "base/limits.hpp"
#include "keeper/control_query.hpp"
#include "keeper/control_routes.hpp"

using namespace vmline;
using namespace vmline::keeper;

namespace {

void check_printable(std::string_view text) {
  for (char c : text) CHECK(c >= 0x20 && c <= 0x7e);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  StreamRequest request;
  (void)parse_where(text, request);
  (void)read_arguments(Route::stop, text);
  auto target = parse_target(text);
  if (!target) {
    check_printable(target.error().sentence());
    return 0;
  }
  CHECK(target->path.size() <= limits::target_parts && target->query.size() <= limits::target_parts);
  for (const std::string& part : target->path) check_printable(part);
  for (const Parameter& parameter : target->query) {
    check_printable(parameter.name);
    check_printable(parameter.value);
  }
  auto match = match_route("GET", *target);
  if (!match) check_printable(match.error().sentence);
  if (auto query = read_stream_query(*target); !query) check_printable(query.error().sentence());
  if (auto query = read_events_query(*target); !query) check_printable(query.error().sentence());
  (void)read_events_stream_query(*target, 1);
  (void)read_input_query(*target);
  (void)read_no_query(*target);
  return 0;
}
