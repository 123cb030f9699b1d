// SPDX-License-Identifier: Apache-2.0
// See host.hpp.
#include "vmm/host.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/limits.hpp"
#include "base/unique_fd.hpp"
#include "vmm/disk_file.hpp"
#include "vmm/process_place.hpp"
#include "vmm/program.hpp"
#include "vmm/virtiofsd.hpp"

namespace vmline::vmm {
namespace {

void probe_kvm(Host& host) {
  UniqueFd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  host.kvm_opens = static_cast<bool>(kvm);
  if (!kvm) host.kvm_error = strerrordesc_np(errno);
  std::ifstream cpus("/proc/cpuinfo");
  for (std::string line; std::getline(cpus, line);) {
    if (!line.starts_with("flags")) continue;
    line += ' ';
    host.cpu_virtualizes = line.find(" vmx ") != std::string::npos || line.find(" svm ") != std::string::npos;
    return;  // the other CPUs are no different
  }
}

Result<> check_readable(std::string_view what, const std::string& path, int mode) {
  if (path.empty()) return {};
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0 || ::access(path.c_str(), mode) != 0) return fail_errno(fmt::format("{} {}", what, path));
  if (S_ISDIR(st.st_mode)) return std::unexpected(Error::system(fmt::format("{} {}", what, path), EISDIR));
  return {};
}

Result<> check_folder(std::string_view what, const std::string& path) {
  if (path.empty()) return {};
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0) return fail_errno(fmt::format("{} {}", what, path));
  if (!S_ISDIR(st.st_mode)) return std::unexpected(Error::system(fmt::format("{} {}", what, path), ENOTDIR));
  return {};
}

Result<> check_disks(const api::Spec& spec) {
  if (spec.root_disk) TRY(check_disk_file("root disk", *spec.root_disk));
  if (!spec.seed.empty()) TRY(check_disk_file("seed", {spec.seed, "raw", true}));
  for (const api::Disk& disk : spec.disks) TRY(check_disk_file("disk", disk));
  return {};
}

Result<> check_socket(const std::string& path) {
  if (path.size() <= limits::socket_path) return {};
  return fail(fmt::format("socket {}: the path has {} bytes, and a socket's has at most {}: choose a shorter root or name", path,
                          path.size(), limits::socket_path),
              ErrorKind::usage);
}

}  // namespace

Result<Host> probe_host(const api::Spec& spec, std::vector<std::string> environment) {
  Host host;
  TRY_ASSIGN(FoundProgram monitor, find_monitor(spec, environment));
  host.binary = std::move(monitor.path);
  host.version = std::move(monitor.version);
  host.warnings = std::move(monitor.warnings);
  if (!spec.shares.empty()) {
    TRY_ASSIGN(host.virtiofsd, find_virtiofsd(spec, environment));
  }
  host.environment = std::move(environment);
  host.root = ::geteuid() == 0;
  if (!spec.networks.empty()) host.vhost_net = static_cast<bool>(UniqueFd(::open("/dev/vhost-net", O_RDWR | O_CLOEXEC)));
  probe_kvm(host);
  return host;
}

Result<> check_files(const api::Spec& spec, const Endpoints& endpoints) {
  TRY(check_readable("kernel", spec.kernel, R_OK));
  TRY(check_readable("initramfs", spec.initramfs, R_OK));
  TRY(check_readable("firmware", spec.firmware, R_OK));
  TRY(check_disks(spec));
  for (const api::Share& share : spec.shares) TRY(check_folder("share", share.path));
  TRY(check_folder("directory", spec.directory));
  TRY(check_folder("cgroup", cgroup_path(spec.cgroup)));
  TRY(check_readable("network namespace", netns_path(spec.netns), R_OK));
  TRY(check_socket(endpoints.api_socket));
  for (const ShareDevice& share : share_devices(spec, endpoints)) TRY(check_socket(share.socket));
  for (const LineEndpoint& line : endpoints.lines) {
    TRY(check_socket(endpoints.run_dir + "/" + line.name + ".sock"));
    if (line.upstream != api::UpstreamKind::carried) TRY(check_socket(line.socket_path));
  }
  return {};
}

Result<Plan> make_plan(const api::Spec& spec, const Endpoints& endpoints, std::vector<std::string> environment) {
  TRY_ASSIGN(const Host host, probe_host(spec, std::move(environment)));
  TRY(check_files(spec, endpoints));
  TRY_ASSIGN(Plan plan, make_driver(spec.driver)->plan(spec, endpoints, host));
  plan.warnings.insert(plan.warnings.begin(), host.warnings.begin(), host.warnings.end());
  return plan;
}

}  // namespace vmline::vmm
