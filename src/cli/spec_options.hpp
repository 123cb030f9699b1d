// SPDX-License-Identifier: Apache-2.0
// A spec from what `run` and `keep` were given: the host's defaults first, a file over them, flags over both. Texts become values here;
// whether they make sense together api::checked_spec says.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "wire/api/host_json.hpp"
#include "wire/api/spec.hpp"

namespace vmline::cli {

/// What is the same for every line, of `run` and `keep` alike: they are about the first line.
struct LineFlags {
  std::optional<std::string> log, spool, replay;
  bool no_journal = false;
};

struct RunFlags : LineFlags {
  std::optional<std::string> name;  ///< none: the file's, or the next free vmN
  std::optional<std::string> file;
  std::optional<std::string> driver, binary, kernel, initramfs, cmdline, firmware, memory, accel, restart;
  std::optional<std::uint32_t> cpus, uid, gid;
  std::optional<std::string> machine, machine_id, seed, user_data, netns, cgroup, virtiofsd, ready_marker, monitor_config;
  std::optional<std::string> root_disk;  ///< PATH[,format=FORMAT][,readonly]
  std::vector<std::string> disks;        ///< the same
  std::vector<std::string> networks;     ///< [tap=NAME][,mac=MAC][,bridge=BRIDGE][,ours=yes|no]
  std::vector<std::string> shares;       ///< TAG=PATH[,readonly]
  std::vector<std::string> matches;      ///< NAME=REGEX
  std::vector<std::string> monitor_args;
};

/// What the files say that flags name, and what goes under them.
struct RunSources {
  std::string folder;                           ///< where the command was given
  std::optional<std::string> file{};            ///< the content of RunFlags::file
  std::string file_folder{};                    ///< the folder that it lies in
  std::optional<std::string> user_data{};       ///< the content of RunFlags::user_data
  std::optional<std::string> monitor_config{};  ///< the content of RunFlags::monitor_config
  std::string default_name{};                   ///< where neither flags nor file have one
  api::HostFile host{};
  std::string host_folder{};
};

struct KeepFlags : LineFlags {
  std::string name;
  std::optional<std::string> connect, listen, restart;
  bool pty = false;
  std::vector<std::string> command;
};

/// Good as it is; all of its paths are absolute.
Result<api::Spec> spec_of_run(const RunFlags& flags, const RunSources& sources);
/// Checked when it is launched.
Result<api::Spec> spec_of_keep(const KeepFlags& flags, std::string_view folder);

}  // namespace vmline::cli
