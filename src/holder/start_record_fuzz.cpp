// SPDX-License-Identifier: Apache-2.0
// No record, whatever is in it, makes the reader look outside of it; what it accepts can be walked to the end.
#include "holder/start_record.hpp"

#include <cstring>
#include <memory>

#include "base/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vmline::holder;
  static StartPlan plan;
  // An exact copy, so that ASan sees a single byte too far; with a size that fits, so that most inputs come past the header.
  auto copy = std::make_unique<std::byte[]>(size);
  if (size != 0) std::memcpy(copy.get(), data, size);
  if (size >= sizeof(wire::StartHeader) && (data[0] & 1) == 0) {
    wire::StartHeader header;
    std::memcpy(&header, copy.get(), sizeof(header));
    header.magic = wire::start_magic;
    header.version = wire::start_version;
    header.size = static_cast<std::uint32_t>(size);
    std::memcpy(copy.get(), &header, sizeof(header));
  }
  if (read_start_record(copy.get(), size, plan) != 0) return 0;
  std::size_t seen = std::strlen(plan.directory) + std::strlen(plan.identity) + std::strlen(plan.netns) + std::strlen(plan.cgroup);
  std::size_t strings = 0;
  for (char** list : {plan.argv, plan.envp}) {
    for (; *list != nullptr; ++list, ++strings) seen += std::strlen(*list) + 1;
  }
  for (std::uint32_t i = 0; i < plan.action_count; ++i) seen += std::strlen(plan.strings[i]) + 1;
  CHECK(seen <= size && strings + wire::start_strings_fixed <= wire::start_strings_max);
  return 0;
}
