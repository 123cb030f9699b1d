// SPDX-License-Identifier: Apache-2.0
// A planned process as a start record; see start_record.hpp.
#include "keeper/start_record.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

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

}  // namespace

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
