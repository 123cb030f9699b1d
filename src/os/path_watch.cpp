// SPDX-License-Identifier: Apache-2.0
// Waiting for a path; see path_watch.hpp.
#include "os/path_watch.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vmline::os {
namespace {

std::string folder_of(const std::string& path) {
  std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

std::optional<FileId> file_at(const std::string& path) {
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0) return std::nullopt;
  return FileId{st.st_dev, st.st_ino};
}

Result<PathWatch> PathWatch::create(std::string path) {
  UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) return fail_errno("watch " + path);
  PathWatch watch(std::move(path), std::move(inotify));
  watch.watch_nearest();
  return watch;
}

void PathWatch::watch_nearest() {
  std::string folder = folder_of(path_);
  while (folder != watched_) {
    int descriptor =
        ::inotify_add_watch(inotify_.get(), folder.c_str(), IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
    if (descriptor >= 0) {
      if (descriptor_ >= 0 && descriptor_ != descriptor) (void)::inotify_rm_watch(inotify_.get(), descriptor_);
      descriptor_ = descriptor;
      watched_ = folder;
      return;
    }
    if (folder == "/" || folder == ".") return;
    folder = folder_of(folder);
  }
}

void PathWatch::settle() {
  alignas(inotify_event) char buffer[4096];
  bool gone = false;
  for (ssize_t n; (n = ::read(inotify_.get(), buffer, sizeof buffer)) > 0;) {
    for (ssize_t at = 0; at + static_cast<ssize_t>(sizeof(inotify_event)) <= n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      if (event->wd == descriptor_ && (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))) gone = true;
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
  if (gone) {
    watched_.clear();
    descriptor_ = -1;
  }
  // Folders can come one after the other quicker than they are watched: go on until nothing nearer is there.
  for (std::string before = "?"; before != watched_;) {
    before = watched_;
    watch_nearest();
  }
}

}  // namespace vmline::os
