// SPDX-License-Identifier: Apache-2.0
// Counts first, then every string's end, then what the strings must be.
#include "holder/start_record.hpp"

#include <errno.h>
#include <string.h>

namespace vmline::holder {

namespace {

/// The strings of a record, one after the other.
class Strings {
 public:
  Strings(const std::byte* data, std::size_t size) : next_(reinterpret_cast<const char*>(data)), left_(size) {}

  const char* take() {
    const void* end = left_ == 0 ? nullptr : ::memchr(next_, 0, left_);
    if (end == nullptr) return nullptr;
    const char* string = next_;
    const std::size_t length = static_cast<const char*>(end) - next_ + 1;
    next_ += length;
    left_ -= length;
    return string;
  }
  /// `count` of them and a null pointer.
  bool take(std::uint32_t count, char** into) {
    for (std::uint32_t i = 0; i < count; ++i) {
      const char* string = take();
      if (string == nullptr) return false;
      into[i] = const_cast<char*>(string);  // execve promises not to write
    }
    into[count] = nullptr;
    return true;
  }
  [[nodiscard]] bool at_end() const { return left_ == 0; }

 private:
  const char* next_;
  std::size_t left_;
};

bool valid(const wire::StartHeader& header, std::size_t size) {
  if (header.size != size || header.reserved != 0) return false;
  if ((header.flags & ~(wire::start_allow_ptrace | wire::start_as_user | wire::start_as_group)) != 0) return false;
  // -1 would mean to change nothing.
  if ((header.flags & wire::start_as_user) != 0 && header.uid == ~0U) return false;
  if ((header.flags & wire::start_as_group) != 0 && header.gid == ~0U) return false;
  if (header.argc == 0 || header.argc > wire::start_strings_max || header.envc > wire::start_strings_max) return false;
  if (header.actions > wire::start_actions_max) return false;
  return wire::start_strings_fixed + header.argc + header.envc + header.actions <= wire::start_strings_max;
}

bool valid(const wire::Action* actions, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    if (static_cast<std::uint32_t>(actions[i].source) > static_cast<std::uint32_t>(wire::Source::null)) return false;
    if (actions[i].target < 0 || actions[i].target > wire::start_target_max) return false;
    for (std::uint32_t j = 0; j < i; ++j) {
      if (actions[j].target == actions[i].target) return false;
    }
  }
  return true;
}

bool absolute(const char* path) { return path[0] == '/'; }
bool absolute_or_none(const char* path) { return path[0] == '/' || path[0] == 0; }

/// What follows the header, which is right.
bool read_rest(const wire::StartHeader& header, const std::byte* data, std::size_t size, StartPlan& plan) {
  const std::size_t actions_size = header.actions * sizeof(wire::Action);
  if (size < actions_size) return false;
  // Its numbers are judged before they become enums: read as bytes of the same layout.
  if (actions_size != 0) ::memcpy(static_cast<void*>(plan.actions), data, actions_size);
  if (!valid(plan.actions, header.actions)) return false;

  Strings strings(data + actions_size, size - actions_size);
  const char** const places[wire::start_strings_fixed] = {&plan.directory, &plan.identity, &plan.netns, &plan.cgroup};
  for (const char** place : places) {
    *place = strings.take();
    if (*place == nullptr || !absolute_or_none(*place)) return false;
  }
  plan.argv = plan.pointers;
  plan.envp = plan.pointers + header.argc + 1;
  if (!strings.take(header.argc, plan.argv) || !strings.take(header.envc, plan.envp)) return false;
  for (std::uint32_t i = 0; i < header.actions; ++i) {
    plan.strings[i] = strings.take();
    if (plan.strings[i] == nullptr) return false;
    if (plan.actions[i].source == wire::Source::path && !absolute(plan.strings[i])) return false;
  }
  return strings.at_end() && absolute(plan.argv[0]);
}

}  // namespace

int read_start_record(const std::byte* data, std::size_t size, StartPlan& plan) {
  wire::StartHeader header;
  // What every version begins with.
  constexpr std::size_t beginning = offsetof(wire::StartHeader, size);
  if (size < beginning || size > wire::start_record_max) return EBADMSG;
  ::memcpy(static_cast<void*>(&header), data, beginning);
  if (header.magic != wire::start_magic) return EBADMSG;
  if (header.version != wire::start_version) return EPROTONOSUPPORT;
  if (size < sizeof(header)) return EBADMSG;
  ::memcpy(&header, data, sizeof(header));
  if (!valid(header, size)) return EBADMSG;
  plan.flags = header.flags;
  plan.action_count = header.actions;
  plan.uid = header.uid;
  plan.gid = header.gid;
  if (!read_rest(header, data + sizeof(header), size - sizeof(header), plan)) return EBADMSG;
  if (plan.directory[0] == 0) plan.directory = "/";
  return 0;
}

}  // namespace vmline::holder
