// SPDX-License-Identifier: Apache-2.0
// Any bytes as an index: nothing breaks, what is valid is so again, and what was understood survives being written and read anew. The
// input is cut into records of right checksums where it can be, since no fuzzer guesses those.
#include "line/index_format.hpp"

#include <vector>

#include "base/check.hpp"
#include "line/crc32c.hpp"

using namespace vmline::line;

namespace {

/// Sets the checksum of each record that the sizes in `data` make out.
void mend(std::span<std::byte> data) {
  while (data.size() >= 8) {
    std::size_t record = static_cast<std::size_t>(data[4]) | static_cast<std::size_t>(data[5]) << 8;
    if (record < 8 || record > data.size()) return;
    std::uint32_t crc = crc32c(data.subspan(4, record - 4));
    for (std::size_t i = 0; i < 4; ++i) data[i] = static_cast<std::byte>(crc >> (8 * i));
    data = data.subspan(record);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  auto* first = reinterpret_cast<const std::byte*>(bytes);
  std::vector<std::byte> input(first + 1, first + size);
  if (*bytes % 4 != 0) mend(input);
  std::span<const std::byte> data(input);
  (void)check_index_header(data);
  std::vector<Record> records;
  auto parsed = parse_records(data, [&](Record record) { records.push_back(std::move(record)); });
  CHECK(parsed.valid <= data.size());
  std::size_t count = 0;
  auto again = parse_records(data.first(parsed.valid), [&](Record record) { CHECK(record == records[count++]); });
  CHECK(again.valid == parsed.valid && !again.damaged && count == records.size());
  std::string written;
  for (const auto& record : records) written += encode_record(record);
  count = 0;
  auto reread = parse_records(std::as_bytes(std::span(written)), [&](Record record) { CHECK(record == records[count++]); });
  CHECK(reread.valid == written.size() && count == records.size());
  return 0;
}
