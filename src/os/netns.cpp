// SPDX-License-Identifier: Apache-2.0
// Network namespaces by path; see netns.hpp.
#include "os/netns.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include <cerrno>
#include <system_error>
#include <thread>

namespace vmline::os {
namespace {

/// Blocks every signal while it lives: a thread made meanwhile takes none of the signals that the process waits for.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~NoSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

Result<UniqueFd> open_netns(const std::string& path) {
  const std::string what = "network namespace " + path;
  // Whatever lies there instead, a FIFO or a terminal, neither blocks nor becomes ours by being opened.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    auto error = Error::system(what, errno);
    return std::unexpected(errno == ENOENT ? error.as(ErrorKind::not_found) : error);
  }
  struct statfs system{};
  if (::fstatfs(fd.get(), &system) != 0) return fail_errno(what);
  if (system.f_type != NSFS_MAGIC) return fail(what + ": no namespace is there, only a file (`ip netns add` makes one)", ErrorKind::usage);
  if (::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) return fail(what + ": it is a namespace of another kind", ErrorKind::usage);
  return fd;
}

Result<> in_netns(const std::string& path, const std::function<void()>& work) {
  if (path.empty()) {
    work();
    return {};
  }
  TRY_ASSIGN(UniqueFd netns, open_netns(path));
  int error = 0;
  try {
    NoSignals quiet;
    std::jthread([&] {
      if (::setns(netns.get(), CLONE_NEWNET) == 0)
        work();
      else
        error = errno;
    }).join();
  } catch (const std::system_error& failure) {
    error = failure.code().value();
  }
  if (error == 0) return {};
  const char* way_out = error == EPERM ? " (it takes CAP_SYS_ADMIN: run vmline as root)" : "";
  return fail(Error::system("enter network namespace " + path, error).sentence() + way_out);
}

}  // namespace vmline::os
