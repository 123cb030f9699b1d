// SPDX-License-Identifier: Apache-2.0
// Where the other programs of vmline are; see programs.hpp.
#include "cli/programs.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

namespace vmline::cli {

Result<std::string> find_program(std::string_view name) {
  std::error_code ec;
  std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", ec);
  if (ec) return fail("find vmline's own folder: " + ec.message());
  std::filesystem::path beside = self.parent_path() / name;
  std::filesystem::path libexec = self.parent_path().parent_path() / "libexec" / "vmline" / name;
  for (const auto& path : {beside, libexec}) {
    if (::access(path.c_str(), X_OK) == 0) return path.string();
  }
  return fail(fmt::format("{} is missing: neither {} nor {} can be executed", name, beside.string(), libexec.string()));
}

}  // namespace vmline::cli
