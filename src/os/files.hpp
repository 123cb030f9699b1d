// SPDX-License-Identifier: Apache-2.0
// Small files read and written whole, and opens that say what they failed on.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace vmline::os {

/// open(2) with O_CLOEXEC; the error names the path and `purpose` ("log", "spool", …).
Result<UniqueFd> open_file(std::string_view purpose, const std::string& path, int flags, mode_t mode = 0600);

/// The whole file, at most `most` bytes (a longer one is an error).
Result<std::string> read_file(const std::string& path, std::size_t most);

/// Replaces the file by rename: whoever reads sees the old or the new one, never half of it. Not synced to the disk.
Result<> write_file(const std::string& path, std::string_view content, mode_t mode = 0600);

/// Writes all of it; the error is write's.
Result<> write_all(int fd, std::string_view content, std::string_view what);

/// unlink, absent or not; only other failures are told.
Result<> remove_file(const std::string& path);

/// Removes a folder and all that is in it; absent is fine. Never follows a symbolic link.
Result<> remove_tree(const std::string& path);

}  // namespace vmline::os
