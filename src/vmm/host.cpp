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

namespace vmline::vmm {
namespace {

struct Program {
  const char* name;
  const char* variable;  ///< of the environment, null: none
};

std::optional<Program> program_of(const api::Spec& spec) {
  switch (spec.driver) {
    case api::DriverKind::qemu: return Program{"qemu-system-x86_64", "VMLINE_QEMU"};
    case api::DriverKind::cloud_hypervisor: return Program{"cloud-hypervisor", "VMLINE_CLOUD_HYPERVISOR"};
    case api::DriverKind::firecracker: return Program{"firecracker", "VMLINE_FIRECRACKER"};
    case api::DriverKind::exec: return Program{spec.command.at(0).c_str(), nullptr};
    case api::DriverKind::none: break;
  }
  return std::nullopt;
}

std::string_view value_of(const std::vector<std::string>& environment, std::string_view name) {
  for (std::string_view entry : environment) {
    if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=') return entry.substr(name.size() + 1);
  }
  return {};
}

/// 0, or the errno that says why this is no program.
int why_not_executable(const std::string& path) {
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0) return errno;
  if (!S_ISREG(st.st_mode)) return EACCES;
  return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

Result<std::string> given_program(const std::string& path, std::string_view where) {
  if (int error = why_not_executable(path)) return std::unexpected(Error::system(fmt::format("program {} ({})", path, where), error));
  return path;
}

Result<std::string> find_in_path(std::string_view name, const std::vector<std::string>& environment) {
  std::string looked;
  std::string folders = std::string(value_of(environment, "PATH")) + ":/usr/bin:/usr/local/bin";
  for (std::size_t at = 0; at <= folders.size();) {
    std::size_t end = std::min(folders.find(':', at), folders.size());
    std::string folder = folders.substr(at, end - at);
    at = end + 1;
    // An empty or relative part of PATH means the current folder: not a place to take a monitor from.
    if (!folder.starts_with('/')) continue;
    std::string path = folder + "/" + std::string(name);
    if (why_not_executable(path) == 0) return path;
    if ((":" + looked + ":").find(":" + folder + ":") == std::string::npos) looked += (looked.empty() ? "" : ":") + folder;
  }
  return fail(fmt::format("no program {} in {}", name, looked));
}

Result<std::string> find_program(const api::Spec& spec, const std::vector<std::string>& environment) {
  auto program = program_of(spec);
  if (!program) return std::string();
  if (spec.driver != api::DriverKind::exec && !spec.binary.empty()) {
    if (spec.binary.find('/') != std::string::npos) return given_program(spec.binary, "from the spec");
    return find_in_path(spec.binary, environment);
  }
  if (program->variable) {
    std::string_view given = value_of(environment, program->variable);
    if (!given.empty()) return given_program(std::string(given), program->variable);
  }
  if (std::strchr(program->name, '/')) return given_program(program->name, "the command");
  auto found = find_in_path(program->name, environment);
  if (found || !program->variable) return found;
  return fail(found.error().sentence() + fmt::format("; install it, or name it with --binary or {}", program->variable));
}

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

Result<> check_socket(const std::string& path) {
  if (path.size() <= limits::socket_path) return {};
  return fail(fmt::format("socket {}: the path has {} bytes, and a socket's has at most {}: choose a shorter root or name", path,
                          path.size(), limits::socket_path),
              ErrorKind::usage);
}

}  // namespace

Result<Host> probe_host(const api::Spec& spec, std::vector<std::string> environment) {
  Host host;
  TRY_ASSIGN(host.binary, find_program(spec, environment));
  host.environment = std::move(environment);
  probe_kvm(host);
  return host;
}

Result<> check_files(const api::Spec& spec, const Endpoints& endpoints) {
  TRY(check_readable("kernel", spec.kernel, R_OK));
  TRY(check_readable("initramfs", spec.initramfs, R_OK));
  TRY(check_readable("firmware", spec.firmware, R_OK));
  for (const api::Disk& disk : spec.disks) TRY(check_readable("disk", disk.path, disk.readonly ? R_OK : R_OK | W_OK));
  if (!spec.directory.empty()) {
    struct stat st{};
    if (::stat(spec.directory.c_str(), &st) != 0) return fail_errno("directory " + spec.directory);
    if (!S_ISDIR(st.st_mode)) return std::unexpected(Error::system("directory " + spec.directory, ENOTDIR));
  }
  TRY(check_socket(endpoints.api_socket));
  for (const LineEndpoint& line : endpoints.lines) {
    TRY(check_socket(endpoints.run_dir + "/" + line.name + ".sock"));
    if (line.upstream != api::UpstreamKind::carried) TRY(check_socket(line.socket_path));
  }
  return {};
}

Result<Plan> make_plan(const api::Spec& spec, const Endpoints& endpoints, std::vector<std::string> environment) {
  TRY_ASSIGN(const Host host, probe_host(spec, std::move(environment)));
  TRY(check_files(spec, endpoints));
  return make_driver(spec.driver)->plan(spec, endpoints, host);
}

}  // namespace vmline::vmm
