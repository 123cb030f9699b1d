// SPDX-License-Identifier: Apache-2.0
// A limit for monitor.log; see log_cap.hpp.
#include "keeper/log_cap.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>

#include "os/files.hpp"

namespace vmline::keeper {
namespace {

constexpr std::chrono::seconds between_looks{1};

/// On a disk thread. The last `most` bytes are what is kept.
Result<bool> cap(const std::string& path, std::uint64_t most) {
  TRY_ASSIGN(UniqueFd log, os::open_file("monitor's log", path, O_RDWR | O_NOFOLLOW));
  struct stat st{};
  if (::fstat(log.get(), &st) != 0) return fail_errno("look at " + path);
  if (!S_ISREG(st.st_mode) || static_cast<std::uint64_t>(st.st_size) <= most) return false;
  std::string old = path + ".1", unfinished = old + ".new";
  TRY(os::remove_file(unfinished));
  TRY_ASSIGN(UniqueFd copy, os::open_file("monitor's log", unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW));
  std::array<char, 65536> buffer;
  off_t at = st.st_size - static_cast<off_t>(most);
  for (ssize_t n; (n = ::pread(log.get(), buffer.data(), buffer.size(), at)) > 0; at += n) {
    TRY(os::write_all(copy.get(), {buffer.data(), static_cast<std::size_t>(n)}, unfinished));
  }
  if (::rename(unfinished.c_str(), old.c_str()) != 0) return fail_errno("rename " + unfinished);
  if (::ftruncate(log.get(), 0) != 0) return fail_errno("empty " + path);
  return true;
}

}  // namespace

LogCap::LogCap(boost::asio::io_context& loop, DiskThreads& disks, Log& log, std::string path, std::uint64_t most)
    : disks_(disks),
      worker_(disks.worker()),
      log_(log),
      path_(std::move(path)),
      most_(most),
      inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      pause_(loop) {
  if (!inotify_ || ::inotify_add_watch(inotify_.get(), path_.c_str(), IN_MODIFY) < 0) {
    log_.warning(fail_errno("watch " + path_).error().sentence());
    return;
  }
  watch_ = std::make_unique<Watch>(loop, inotify_.get());
  look();
}

void LogCap::wait() {
  watch_->wait(Watch::For::read, [this] {
    std::array<char, 4096> events;
    while (::read(inotify_.get(), events.data(), events.size()) > 0) {
    }
    look();
  });
}

void LogCap::look() {
  worker_.run([this, &disks = disks_, path = path_, most = most_, alive = std::weak_ptr<bool>(alive_)] {
    auto done = cap(path, most);
    disks.complete([this, done, alive] {
      if (alive.expired()) return;
      if (!done) log_.error(done.error().sentence());
      pause_.expires_after(between_looks);
      pause_.async_wait([this](boost::system::error_code error) {
        if (!error) wait();
      });
    });
  });
}

}  // namespace vmline::keeper
