// SPDX-License-Identifier: Apache-2.0
// A planned process as a start record; see start_record.hpp.
#include "keeper/start_record.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "os/files.hpp"
#include "wire/holder/messages.hpp"
#include "wire/holder/start_record.hpp"

namespace vmline::keeper {
namespace wire = vmline::wire::holder;
namespace {

wire::Source source_of(vmm::DescriptorAction::Source source) {
  switch (source) {
    case vmm::DescriptorAction::Source::path: return wire::Source::path;
    case vmm::DescriptorAction::Source::held: return wire::Source::held;
    case vmm::DescriptorAction::Source::pty_slave: return wire::Source::pty_slave;
    case vmm::DescriptorAction::Source::null: break;
  }
  return wire::Source::null;
}

template <class T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// What is needed of a record that we have made ourselves to speak of it.
struct Readable {
  wire::StartHeader header;
  std::vector<wire::Action> actions;
  std::vector<std::string> strings;  ///< all of them, in their order

  [[nodiscard]] const std::string& string(std::size_t index) const {
    static const std::string none;
    return index < strings.size() ? strings[index] : none;
  }
};

Readable read_back(int record) {
  Readable all;
  std::string bytes(wire::start_record_max, 0);
  const ssize_t size = ::pread(record, bytes.data(), bytes.size(), 0);
  if (size < static_cast<ssize_t>(sizeof all.header)) return all;
  bytes.resize(static_cast<std::size_t>(size));
  std::memcpy(&all.header, bytes.data(), sizeof all.header);
  all.actions.resize(std::min<std::size_t>(all.header.actions, (bytes.size() - sizeof all.header) / sizeof(wire::Action)));
  std::memcpy(static_cast<void*>(all.actions.data()), bytes.data() + sizeof all.header, all.actions.size() * sizeof(wire::Action));
  std::size_t at = sizeof all.header + all.actions.size() * sizeof(wire::Action);
  for (std::size_t end; at < bytes.size() && (end = bytes.find('\0', at)) != std::string::npos; at = end + 1)
    all.strings.push_back(bytes.substr(at, end - at));
  return all;
}

std::string descriptor_words(const Readable& record, std::size_t index) {
  if (index >= record.actions.size()) return "place a descriptor";
  const wire::Action& action = record.actions[index];
  const std::string& text = record.string(wire::start_strings_fixed + record.header.argc + record.header.envc + index);
  switch (action.source) {
    case wire::Source::path: return fmt::format("open {} for its descriptor {}", text, action.target);
    case wire::Source::held: return fmt::format("give it {} as descriptor {}", text, action.target);
    case wire::Source::pty_slave: return fmt::format("open the pty of {} for its descriptor {}", text, action.target);
    case wire::Source::null: break;
  }
  return fmt::format("open /dev/null for its descriptor {}", action.target);
}

std::string user_words(const wire::StartHeader& header) {
  std::string words;
  if ((header.flags & wire::start_as_user) != 0) words = fmt::format("become user {}", header.uid);
  if ((header.flags & wire::start_as_group) != 0) words += fmt::format("{} group {}", words.empty() ? "become" : " and", header.gid);
  return words;
}

}  // namespace

Error start_failure(int record, std::int64_t step, int number) {
  const Readable what = read_back(record);
  const auto index = static_cast<std::size_t>(step >> 8);
  switch (static_cast<wire::StartStep>(step & 0xff)) {
    case wire::StartStep::record:
      if (number == EPROTONOSUPPORT) return Error("the holder is of another version of vmline: install one version, and start the VM anew");
      return Error::system("ask the holder for it", number);
    case wire::StartStep::child: return Error::system("make a process", number);
    case wire::StartStep::cgroup:
      if (number == EINVAL) return Error(fmt::format("{} is no folder of cgroup v2", what.string(3)), ErrorKind::usage);
      if (number == EBUSY)
        return Error(fmt::format("cgroup {} takes no processes: controllers are on for the cgroups in it", what.string(3)));
      return Error::system("move it into cgroup " + what.string(3), number);
    case wire::StartStep::netns:
      if (number == EINVAL) return Error(what.string(2) + " is no network namespace", ErrorKind::usage);
      return Error::system("enter network namespace " + what.string(2), number);
    case wire::StartStep::descriptor: return Error::system(descriptor_words(what, index), number);
    case wire::StartStep::identity: return Error::system("write " + what.string(1), number);
    case wire::StartStep::user: return Error::system(user_words(what.header), number);
    case wire::StartStep::directory: return Error::system("enter its directory " + what.string(0), number);
    case wire::StartStep::exec: return Error::system("run " + what.string(wire::start_strings_fixed), number);
  }
  return Error::system("start it", number);
}

Result<UniqueFd> make_start_record(const vmm::Process& process, const std::string& identity) {
  std::string strings;
  std::size_t count = 0;
  bool nul = false;
  auto add = [&](const std::string& text) {
    nul = nul || text.find('\0') != std::string::npos;
    strings += text;
    strings += '\0';
    ++count;
  };
  add(process.directory.empty() ? "/" : process.directory);
  add(identity);
  add(process.netns);
  add(process.cgroup);
  for (const auto& word : process.argv) add(word);
  for (const auto& entry : process.environment) add(entry);
  std::string actions;
  for (const auto& action : process.descriptors) {
    add(action.text);
    actions += bytes_of(wire::Action{.source = source_of(action.source), .target = action.target, .flags = action.flags});
  }
  wire::StartHeader header;
  header.size = static_cast<std::uint32_t>(sizeof header + actions.size() + strings.size());
  if (process.allow_ptrace) header.flags |= wire::start_allow_ptrace;
  if (process.uid) {
    header.flags |= wire::start_as_user;
    header.uid = *process.uid;
  }
  if (process.gid) {
    header.flags |= wire::start_as_group;
    header.gid = *process.gid;
  }
  header.argc = static_cast<std::uint32_t>(process.argv.size());
  header.envc = static_cast<std::uint32_t>(process.environment.size());
  header.actions = static_cast<std::uint32_t>(process.descriptors.size());
  if (process.uid && !process.gid && *process.uid != ::geteuid()) {
    return fail(fmt::format("{} as user {} needs a group too: without one it would keep ours", process.name, *process.uid),
                ErrorKind::usage);
  }
  if (nul) return fail("an argument of " + process.name + " has a NUL byte in it", ErrorKind::usage);
  if (count > wire::start_strings_max || process.descriptors.size() > wire::start_actions_max || header.size > wire::start_record_max) {
    return fail(fmt::format("the command line of {} is too long: {} words, {} bytes", process.name, count, strings.size()),
                ErrorKind::usage);
  }
  UniqueFd record(::memfd_create("vmline-start", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!record) return fail_errno("make a memfd");
  TRY(os::write_all(record.get(), std::string(bytes_of(header)) + actions + strings, "start record"));
  if (::fcntl(record.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
    return fail_errno("seal a start record");
  return record;
}

}  // namespace vmline::keeper
