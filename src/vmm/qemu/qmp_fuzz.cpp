// SPDX-License-Identifier: Apache-2.0
// Any bytes as QMP, whole and cut in two: the same messages, each read as answer and event, and a good one after them is always seen.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/check.hpp"
#include "vmm/qemu/qmp_message.hpp"
#include "vmm/qemu/qmp_reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vmline::vmm::qemu;
  std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  int count = 0;
  auto look = [&](const boost::json::object& message) {
    ++count;
    (void)event_in(message);
    if (auto answer = answer_in(message)) (void)state_in(answer->value);
  };
  QmpReader whole, parts;
  whole.feed(bytes, look);
  int expected = count;
  count = 0;
  std::size_t cut = size ? data[0] % (size + 1) : 0;
  parts.feed(bytes.first(cut), look);
  parts.feed(bytes.subspan(cut), look);
  CHECK(count == expected);
  count = 0;
  constexpr std::string_view good = "\n{\"event\": \"RESET\"}\r\n";
  whole.feed(std::as_bytes(std::span(good)), look);
  CHECK(count >= 1);
  return 0;
}
