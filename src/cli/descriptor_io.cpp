// SPDX-License-Identifier: Apache-2.0
// Waiting for, and writing to, descriptors that are not ours alone; see descriptor_io.hpp.
#include "cli/descriptor_io.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

namespace vmline::cli {
namespace {

/// What a pipe or terminal that is writable takes at once, or nearly so.
constexpr std::size_t piece_size = 512;

/// A terminal or pipe can be opened once more through /proc, with flags of its own. (A file would begin at its start again.)
UniqueFd own_open(int fd) {
  struct stat st{};
  if (::fstat(fd, &st) != 0 || !(S_ISFIFO(st.st_mode) || ::isatty(fd))) return {};
  return UniqueFd(::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

}  // namespace

Result<Readiness> Readiness::create(asio::io_context& loop, int fd, For purpose) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno("make an epoll");
  epoll_event event{};
  event.events = purpose == For::reading ? EPOLLIN : EPOLLOUT;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0) return Readiness(asio::posix::stream_descriptor(loop, epoll.release()));
  if (errno == EPERM) return Readiness(std::nullopt);
  return fail_errno(fmt::format("wait for descriptor {}", fd));
}

asio::awaitable<void> Readiness::wait() {
  boost::system::error_code ec;
  if (epoll_) co_await epoll_->async_wait(asio::posix::descriptor_base::wait_read, asio::redirect_error(asio::use_awaitable, ec));
}

Result<PatientOutput> PatientOutput::create(asio::io_context& loop, int fd) {
  UniqueFd own = own_open(fd);
  TRY_ASSIGN(Readiness readiness, Readiness::create(loop, own ? own.get() : fd, Readiness::For::writing));
  return PatientOutput(std::move(own), fd, std::move(readiness));
}

asio::awaitable<Result<>> PatientOutput::write(std::string_view text) {
  while (!text.empty()) {
    co_await readiness_.wait();
    ssize_t written = own_ ? ::write(own_.get(), text.data(), text.size()) : ::write(fd_, text.data(), std::min(text.size(), piece_size));
    if (written < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (written < 0) co_return fail_errno("write to the output");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  co_return Result<>();
}

}  // namespace vmline::cli
