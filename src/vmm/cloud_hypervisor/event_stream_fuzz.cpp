// SPDX-License-Identifier: Apache-2.0
// Any bytes as an event stream, whole and cut in two: the same events, and a good event after them is always seen.
#include "vmm/cloud_hypervisor/event_stream.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using vmline::vmm::cloud_hypervisor::EventStream;
  std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  vmline::Time started{};
  EventStream whole;
  whole.set_started(started);
  std::size_t count = whole.feed(bytes).size();
  EventStream parts;
  parts.set_started(started);
  std::size_t cut = size ? data[0] % (size + 1) : 0;
  std::size_t first = parts.feed(bytes.first(cut)).size();
  CHECK(first + parts.feed(bytes.subspan(cut)).size() == count);
  constexpr std::string_view good = "\n\n{\n  \"source\": \"vm\",\n  \"event\": \"rebooted\"\n}\n\n";
  auto last = whole.feed(std::as_bytes(std::span(good)));
  CHECK(last.size() == 1 && last[0].begins_boot);
  return 0;
}
