// SPDX-License-Identifier: Apache-2.0
// A spec from what `run` and `keep` were given: a file first, flags over it. Texts become values here; whether they make sense together
// api::check_spec says.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
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
  std::optional<std::uint32_t> cpus;
  std::vector<std::string> disks;  ///< PATH[,format=FORMAT][,readonly]
  std::vector<std::string> monitor_args;
};

struct KeepFlags : LineFlags {
  std::string name;
  std::optional<std::string> connect, listen, restart;
  bool pty = false;
  std::vector<std::string> command;
};

/// `file` is the content of RunFlags::file, which lies in the folder `file_folder`. `folder` is where the command was given. The name may
/// be left empty by both; `default_name` is taken then.
Result<api::Spec> spec_of_run(const RunFlags& flags, const std::optional<std::string>& file, std::string_view file_folder,
                              std::string_view folder, std::string_view default_name);
Result<api::Spec> spec_of_keep(const KeepFlags& flags, std::string_view folder);

/// "disk.img,format=qcow2,readonly". A comma in the path is written twice, as QEMU does.
Result<api::Disk> parse_disk(std::string_view text);

}  // namespace vmline::cli
