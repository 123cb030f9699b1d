// SPDX-License-Identifier: Apache-2.0
// A line's log as a file: opened for appending only, and only if it is a plain one.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace vmline::os {

/// Which file it is, whatever its name, and how long.
struct LogFacts {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::uint64_t names = 0;  ///< hard links; 0: deleted
  [[nodiscard]] bool same_file(const LogFacts& other) const { return device == other.device && inode == other.inode; }
};

/// O_APPEND for reading and writing, made with mode 0600 where it is missing. A FIFO, device, socket or folder at that path is an error,
/// and is not touched: opening some devices does something.
Result<UniqueFd> open_log(const std::string& path);
/// The same for reading only; an absent one is an error with number() ENOENT.
Result<UniqueFd> open_log_to_read(const std::string& path);

/// pread; fewer bytes than asked for only at the end of the file.
Result<std::size_t> read_at(int fd, std::span<std::byte> out, std::uint64_t position, const std::string& what);

Result<LogFacts> log_facts(int fd, const std::string& path);

}  // namespace vmline::os
