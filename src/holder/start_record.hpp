// SPDX-License-Identifier: Apache-2.0
// Reads a start record (wire/holder/start_record.hpp) and believes nothing in it: every count and every string's end is checked before use.
// Pure: bytes in, pointers into the same bytes out.
#pragma once
#include <cstddef>

#include "wire/holder/messages.hpp"
#include "wire/holder/start_record.hpp"

namespace vmline::holder {

namespace wire = vmline::wire::holder;

/// Borrows everything from the record that it was read from.
struct StartPlan {
  std::uint32_t flags = 0;
  std::uint32_t action_count = 0;
  const char* directory = nullptr;  ///< absolute
  const char* identity = nullptr;   ///< absolute; empty: none is written
  char** argv = nullptr;            ///< argv[0] is an absolute path
  char** envp = nullptr;
  wire::Action actions[wire::start_actions_max];
  const char* strings[wire::start_actions_max];  ///< one per action
  char* pointers[wire::start_strings_max + 2];   ///< what argv and envp point into
};

/// False when anything about the record is wrong.
bool read_start_record(const std::byte* data, std::size_t size, StartPlan& plan);

}  // namespace vmline::holder
