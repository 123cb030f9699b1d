// SPDX-License-Identifier: Apache-2.0
// See program.hpp.
#include "vmm/program.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "vmm/program_answer.hpp"
#include "vmm/version.hpp"

namespace vmline::vmm {
namespace {

/// Starting QEMU costs its 20 ms of dynamic linking, so it is not asked where the answer would change nothing: its QMP says the version.
enum class Asked { always, where_there_is_a_choice, never };

struct Program {
  const char* name;
  const char* variable;  ///< of the environment, null: none
  Asked asked = Asked::always;
};

std::optional<Program> program_of(const api::Spec& spec) {
  switch (spec.driver) {
    case api::DriverKind::qemu: return Program{"qemu-system-x86_64", "VMLINE_QEMU", Asked::where_there_is_a_choice};
    case api::DriverKind::cloud_hypervisor: return Program{"cloud-hypervisor", "VMLINE_CLOUD_HYPERVISOR"};
    case api::DriverKind::firecracker: return Program{"firecracker", "VMLINE_FIRECRACKER"};
    case api::DriverKind::exec: return Program{spec.command.at(0).c_str(), nullptr, Asked::never};
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
int why_not_executable(const std::string& path, struct stat& st) {
  if (::stat(path.c_str(), &st) != 0) return errno;
  if (!S_ISREG(st.st_mode)) return EACCES;
  return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

Result<std::string> given_program(const std::string& path, std::string_view where) {
  struct stat st{};
  if (int error = why_not_executable(path, st)) return std::unexpected(Error::system(fmt::format("program {} ({})", path, where), error));
  return path;
}

/// In the order of the folders, each file once. An error where there is none.
Result<std::vector<std::string>> candidates(std::string_view name, const std::vector<std::string>& environment, std::string_view more) {
  std::vector<std::string> found;
  std::vector<std::pair<dev_t, ino_t>> files;
  std::string looked;
  const std::string folders = std::string(value_of(environment, "PATH")) + ":" + std::string(more);
  for (std::size_t at = 0; at <= folders.size();) {
    std::size_t end = std::min(folders.find(':', at), folders.size());
    std::string folder = folders.substr(at, end - at);
    at = end + 1;
    // An empty or relative part of PATH means the current folder: not a place to take a monitor from.
    if (!folder.starts_with('/')) continue;
    std::string path = folder + "/" + std::string(name);
    struct stat st{};
    if (why_not_executable(path, st) == 0) {
      std::pair<dev_t, ino_t> file(st.st_dev, st.st_ino);
      if (std::ranges::count(files, file) > 0) continue;
      files.push_back(file);
      found.push_back(std::move(path));
    }
    if ((":" + looked + ":").find(":" + folder + ":") == std::string::npos) looked += (looked.empty() ? "" : ":") + folder;
  }
  if (found.empty()) return fail(fmt::format("no program {} in {}", name, looked));
  return found;
}

constexpr std::string_view programs_folders = "/usr/bin:/usr/local/bin";

Result<std::string> version_from(const std::string& path, const std::vector<std::string>& environment) {
  auto answer = ask_program({path, "--version"}, environment);
  if (!answer) return std::unexpected(answer.error().because("--version"));
  std::string version = version_in(*answer);
  if (version.empty()) return fail("--version: there is no version in its answer");
  return version;
}

Result<FoundProgram> ask_given(std::string path, std::string_view where, Asked asked, const std::vector<std::string>& environment) {
  FoundProgram found{.path = std::move(path)};
  if (asked != Asked::always) return found;
  auto version = version_from(found.path, environment);
  if (!version) return std::unexpected(version.error().because(fmt::format("program {} ({})", found.path, where)));
  found.version = std::move(*version);
  return found;
}

Result<FoundProgram> first_good(const std::vector<std::string>& paths, Asked asked, const std::vector<std::string>& environment) {
  FoundProgram found;
  if (asked == Asked::never || (asked == Asked::where_there_is_a_choice && paths.size() == 1)) {
    found.path = paths.front();
    return found;
  }
  for (const std::string& path : paths) {
    auto version = version_from(path, environment);
    if (version) {
      found.path = path;
      found.version = std::move(*version);
      return found;
    }
    std::string why = fmt::format("program {}: {}", path, version.error().sentence());
    if (paths.size() == 1) return fail(std::move(why));
    found.warnings.push_back("passed over: " + why);
  }
  return fail(fmt::format("none of the {} programs {} in PATH works; the first one: {}", paths.size(),
                          paths.front().substr(paths.front().rfind('/') + 1), found.warnings.front()));
}

}  // namespace

Result<FoundProgram> find_monitor(const api::Spec& spec, const std::vector<std::string>& environment) {
  auto program = program_of(spec);
  if (!program) return FoundProgram{};
  if (spec.driver != api::DriverKind::exec && !spec.binary.empty()) {
    if (spec.binary.find('/') != std::string::npos) {
      TRY_ASSIGN(std::string path, given_program(spec.binary, "from the spec"));
      return ask_given(std::move(path), "from the spec", program->asked, environment);
    }
    TRY_ASSIGN(const std::vector<std::string> paths, candidates(spec.binary, environment, programs_folders));
    return first_good(paths, program->asked, environment);
  }
  if (program->variable) {
    std::string_view given = value_of(environment, program->variable);
    if (!given.empty()) {
      TRY_ASSIGN(std::string path, given_program(std::string(given), program->variable));
      return ask_given(std::move(path), program->variable, program->asked, environment);
    }
  }
  if (std::strchr(program->name, '/')) {
    TRY_ASSIGN(std::string path, given_program(program->name, "the command"));
    return FoundProgram{.path = std::move(path)};
  }
  auto paths = candidates(program->name, environment, programs_folders);
  if (paths) return first_good(*paths, program->asked, environment);
  if (!program->variable) return std::unexpected(paths.error());
  return fail(paths.error().sentence() + fmt::format("; install it, or name it with --binary or {}", program->variable));
}

Result<std::string> find_virtiofsd(const api::Spec& spec, const std::vector<std::string>& environment) {
  if (spec.virtiofsd.find('/') != std::string::npos) return given_program(spec.virtiofsd, "virtiofsd of the spec");
  if (spec.virtiofsd.empty()) {
    std::string_view given = value_of(environment, "VMLINE_VIRTIOFSD");
    if (!given.empty()) return given_program(std::string(given), "VMLINE_VIRTIOFSD");
  }
  const std::string name = spec.virtiofsd.empty() ? "virtiofsd" : spec.virtiofsd;
  auto paths = candidates(name, environment, "/usr/libexec:/usr/lib:/usr/local/bin");
  if (!paths) return fail(paths.error().sentence() + ", and shares need it; install it, or name it with VMLINE_VIRTIOFSD");
  return paths->front();
}

}  // namespace vmline::vmm
