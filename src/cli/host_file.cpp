// SPDX-License-Identifier: Apache-2.0
// The host's file of defaults and limits; see host_file.hpp.
#include "cli/host_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/limits.hpp"
#include "cli/holder_start.hpp"
#include "os/files.hpp"

namespace vmline::cli {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// Empty where a user has no home.
std::string usual_path() {
  if (::geteuid() == 0) return "/etc/vmline/vmline.json";
  std::string folder = variable("XDG_CONFIG_HOME");
  if (!folder.starts_with('/')) folder = variable("HOME").starts_with('/') ? variable("HOME") + "/.config" : "";
  return folder.empty() ? "" : folder + "/vmline/vmline.json";
}

}  // namespace

std::string HostSettings::folder() const { return std::filesystem::absolute(path).parent_path().string(); }

Result<HostSettings> load_host_settings() {
  HostSettings host{variable("VMLINE_CONFIG"), {}};
  bool must_be_there = !host.path.empty();
  if (!must_be_there) host.path = usual_path();
  if (host.path.empty()) return host;
  // EACCES is a folder that this user may not enter, as when HOME is still somebody else's: nothing of ours lies there.
  struct stat st{};
  bool absent = ::stat(host.path.c_str(), &st) != 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES);
  if (absent && !must_be_there) return host;
  auto text = os::read_file(host.path, limits::host_file);
  if (!text) return std::unexpected(text.error().because(must_be_there ? "VMLINE_CONFIG" : "the host's defaults"));
  auto file = api::parse_host_file(*text);
  if (!file) return std::unexpected(file.error().because(host.path));
  host.file = *std::move(file);
  return host;
}

Result<> check_host_limits(const HostSettings& host, const os::Places& places, const api::Spec& spec) {
  auto within = api::check_limits(host.file.limits, spec);
  if (within && host.file.limits.vms) {
    TRY_ASSIGN(const std::vector<std::string> names, places.names());
    auto others = std::ranges::count_if(names, [&](const std::string& name) { return name != spec.name && holder_lives(places, name); });
    within = api::check_vms(host.file.limits, static_cast<std::size_t>(others));
  }
  if (!within) return std::unexpected(within.error().because(host.path));
  return {};
}

}  // namespace vmline::cli
