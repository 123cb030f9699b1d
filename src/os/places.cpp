// SPDX-License-Identifier: Apache-2.0
// Where things lie; see places.hpp.
#include "os/places.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "os/files.hpp"

namespace vmline::os {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// FNV-1a: only to tell roots apart in a folder's name.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325;
  for (unsigned char c : text) value = (value ^ c) * 0x100000001b3;
  return value;
}

std::string absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  std::unique_ptr<char, decltype(&std::free)> here(::getcwd(nullptr, 0), &std::free);
  return here ? std::string(here.get()) + "/" + path : path;
}

/// Without lingering, logind removes $XDG_RUNTIME_DIR at logout, and a detached VM's sockets with it.
bool lingers() {
  const passwd* entry = ::getpwuid(::getuid());
  return entry && ::access((std::string("/var/lib/systemd/linger/") + entry->pw_name).c_str(), F_OK) == 0;
}

}  // namespace

Result<Places> Places::from(const std::optional<std::string>& given) {
  std::string root = given ? *given : environment("VMLINE_ROOT");
  if (!root.empty()) {
    root = absolute(root);
    while (root.size() > 1 && root.ends_with('/')) root.pop_back();
    return Places(root, root + "/run");
  }
  if (::getuid() == 0) return Places("/var/lib/vmline", "/run/vmline");
  std::string state = environment("XDG_STATE_HOME");
  if (state.empty()) {
    std::string home = environment("HOME");
    if (home.empty()) return fail("neither VMLINE_ROOT nor HOME is set, so there is no place for VMs; give --root", ErrorKind::usage);
    state = home + "/.local/state";
  }
  std::string runtime = environment("XDG_RUNTIME_DIR");
  std::string run = !runtime.empty() && lingers() ? runtime + "/vmline" : fmt::format("/tmp/vmline-{}", ::getuid());
  return Places(state + "/vmline", run);
}

std::string Places::vm_dir(std::string_view name) const { return fmt::format("{}/vms/{}", root_, name); }
std::string Places::run_dir(std::string_view name) const { return fmt::format("{}/{}", run_, name); }
std::string Places::command_lock(std::string_view name) const { return fmt::format("{}/{}.lock", run_, name); }
std::string Places::control_socket(std::string_view name) const { return fmt::format("{}/{}/control.sock", run_, name); }

Result<> make_folders(const std::string& path, unsigned mode) {
  for (std::size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at);
    std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST) {
      int error = errno;
      struct stat st{};
      if (::stat(part.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) return std::unexpected(Error::system("make folder " + part, error));
    }
    if (at != std::string::npos) ++at;
  }
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0) return fail_errno("make folder " + path);
  if (!S_ISDIR(st.st_mode)) return std::unexpected(Error::system("make folder " + path, ENOTDIR));
  return {};
}

namespace {
/// A folder that others could have made before us (in /tmp, /dev/shm) must be ours and closed to them.
Result<> check_owner(const std::string& path) {
  struct stat st{};
  if (::lstat(path.c_str(), &st) != 0) return fail_errno("look at " + path);
  if (!S_ISDIR(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & 022)) {
    return fail(path + " belongs to somebody else or is writable by others: remove it, or give --root");
  }
  return {};
}
}  // namespace

Result<> Places::create() const {
  TRY(make_folders(root_ + "/vms", 0700));
  TRY(make_folders(run_, 0700));
  return check_owner(run_);
}

bool is_plain_tmpfs(const std::string& path) {
  struct statfs fs{};
  struct stat st{};
  if (::statfs(path.c_str(), &fs) != 0 || fs.f_type != TMPFS_MAGIC || ::stat(path.c_str(), &st) != 0) return false;
  std::ifstream mounts("/proc/self/mountinfo");
  std::string device = fmt::format(" {}:{} ", major(st.st_dev), minor(st.st_dev));
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(device) == std::string::npos) continue;
    std::size_t huge = line.find("huge=");
    if (huge != std::string::npos && line.compare(huge, 10, "huge=never") != 0) return false;
  }
  return true;
}

Result<std::string> Places::memory() const {
  if (is_plain_tmpfs(run_)) return run_;
  if (!is_plain_tmpfs("/dev/shm")) {
    return fail(
        fmt::format("the spool needs a tmpfs without huge pages: neither {} nor /dev/shm is one (mount a tmpfs on {})", run_, run_));
  }
  return fmt::format("/dev/shm/vmline-{}-{:016x}", ::getuid(), hash(root_));
}

Result<std::string> Places::memory_dir(std::string_view name) const {
  TRY_ASSIGN(std::string folder, memory());
  if (::access(folder.c_str(), F_OK) == 0) TRY(check_owner(folder));
  return folder + "/" + std::string(name);
}

Result<> Places::make_memory_dir(std::string_view name) const {
  TRY_ASSIGN(std::string folder, memory());
  std::string path = folder + "/" + std::string(name);
  // Whoever removes the last one takes the folder away from under our feet.
  for (int tries = 0;; ++tries) {
    TRY(make_folders(folder, 0700));
    TRY(check_owner(folder));
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
    if (errno != ENOENT || tries >= 100) return fail_errno("make folder " + path);
  }
}

Result<> Places::remove_memory_dir(std::string_view name) const {
  TRY_ASSIGN(std::string folder, memory());
  TRY(remove_tree(folder + "/" + std::string(name)));
  if (folder != run_) (void)::rmdir(folder.c_str());
  return {};
}

Result<std::vector<std::string>> Places::names() const {
  std::vector<std::string> names;
  std::string path = root_ + "/vms";
  std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), &::closedir);
  if (!folder) {
    if (errno == ENOENT) return names;
    return fail_errno("list " + path);
  }
  while (const dirent* entry = ::readdir(folder.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace vmline::os
