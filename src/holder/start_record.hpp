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
  const char* netns = nullptr;      ///< absolute; empty: the holder's own
  const char* cgroup = nullptr;     ///< absolute; empty: the holder's own
  std::uint32_t uid = 0;            ///< where flags say start_as_user
  std::uint32_t gid = 0;            ///< where flags say start_as_group
  char** argv = nullptr;            ///< argv[0] is an absolute path
  char** envp = nullptr;
  wire::Action actions[wire::start_actions_max];
  const char* strings[wire::start_actions_max];  ///< one per action
  char* pointers[wire::start_strings_max + 2];   ///< what argv and envp point into
};

/// 0; EPROTONOSUPPORT for a record of another version, which a keeper of another version has written; EBADMSG when anything else is wrong.
int read_start_record(const std::byte* data, std::size_t size, StartPlan& plan);

}  // namespace vmline::holder
