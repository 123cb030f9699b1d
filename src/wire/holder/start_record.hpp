// SPDX-License-Identifier: Apache-2.0
// A process to start, as the keeper lays it into a sealed memfd for the holder: header, descriptor actions, then NUL-terminated
// strings in the order: working directory, identity file, network namespace, cgroup, argv…, envp…, one per action. Libc alone; the reader
// checks every bound.
#pragma once
#include <cstdint>

namespace vmline::wire::holder {

inline constexpr std::uint32_t start_magic = 0x54534d56;  // "VMST"
inline constexpr std::uint32_t start_version = 2;
inline constexpr std::uint32_t start_strings_fixed = 4;   ///< those before argv
inline constexpr std::uint32_t start_strings_max = 8192;  ///< argv, envp and the rest together
inline constexpr std::uint32_t start_actions_max = 64;
inline constexpr std::int32_t start_target_max = 65535;

/// Where one of the child's descriptors comes from. Every process opens a FIFO for itself: a shared description would share O_NONBLOCK.
enum class Source : std::uint32_t {
  path = 0,       ///< open(string, flags, mode 0600) by the child itself
  held = 1,       ///< the descriptor held as `string`
  pty_slave = 2,  ///< the slave of the pty whose master is held as `string`, by TIOCGPTPEER: its mode may be 0000
  null = 3,       ///< /dev/null
};

struct Action {
  Source source = Source::null;
  std::int32_t target = 0;  ///< the descriptor's number in the child
  std::int32_t flags = 0;   ///< open flags, for path
  std::uint32_t reserved = 0;
};

enum StartFlags : std::uint32_t {
  start_allow_ptrace = 1,  ///< PR_SET_PTRACER_ANY before exec, so that Yama 1 lets a later keeper call pidfd_getfd
  start_as_user = 2,       ///< become `uid` before exec
  start_as_group = 4,      ///< become `gid` before exec
};

/// What a start failed at: `a` of `started` when its `b` is an errno.
enum class StartStep : std::int64_t {
  record = 1,      ///< the record itself, its name or the table of processes; no child was made
  child = 2,       ///< no child could be made
  cgroup = 3,      ///< moving into the cgroup
  netns = 4,       ///< entering the network namespace
  descriptor = 5,  ///< an action: its index stands in the bits from 8 on
  identity = 6,    ///< the identity file
  user = 7,        ///< becoming the user and group
  directory = 8,   ///< chdir
  exec = 9,        ///< execve
};

struct StartHeader {
  std::uint32_t magic = start_magic;
  std::uint32_t version = start_version;
  std::uint32_t size = 0;  ///< of the whole record, bytes
  std::uint32_t flags = 0;
  std::uint32_t argc = 0;
  std::uint32_t envc = 0;
  std::uint32_t actions = 0;
  std::uint32_t uid = 0;  ///< with start_as_user
  std::uint32_t gid = 0;  ///< with start_as_group
  std::uint32_t reserved = 0;
};
static_assert(sizeof(StartHeader) == 40 && sizeof(Action) == 16);

}  // namespace vmline::wire::holder
