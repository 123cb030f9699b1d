// SPDX-License-Identifier: Apache-2.0
// Lines on sockets; see socket_upstream.hpp.
#include "keeper/socket_upstream.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>

#include "os/fifo.hpp"
#include "os/unix_socket.hpp"

namespace vmline::keeper {
namespace {

constexpr std::size_t pipe_bytes = 1u << 20;
/// How long after a refusal it is asked again: at once where it was bound just now, more and more seldom where it looks stale.
constexpr std::chrono::milliseconds least_pause{1}, most_pause{2000};
constexpr int pauses = 50;  ///< of that length in the time that it has refused

}  // namespace

SocketUpstream::SocketUpstream(boost::asio::io_context& loop, HolderLink& holder, std::string line)
    : loop_(loop), holder_(holder), line_(std::move(line)) {}

SocketUpstream::~SocketUpstream() = default;

Result<> SocketUpstream::set_up(KeptSocket kept) {
  if (kept.pipe_in && kept.pipe_out) {
    pipe_in_ = std::move(kept.pipe_in);
    pipe_out_ = std::move(kept.pipe_out);
  } else {
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC | O_NONBLOCK) != 0) return fail_errno("make a pipe for " + line_);
    pipe_out_.reset(pipe[0]);
    pipe_in_.reset(pipe[1]);
    holder_.hold("pipe-out:" + line_, pipe_out_.get());
    holder_.hold("pipe-in:" + line_, pipe_in_.get());
  }
  pipe_size_ = os::grow_pipe(pipe_in_.get(), pipe_bytes);
  if (kept.socket) {
    had_one_ = true;
    socket_ = std::move(kept.socket);
    watch_socket();
  }
  return {};
}

void SocketUpstream::watch_socket() {
  ++connection_;
  watch_ = std::make_unique<Watch>(loop_, socket_.get());
  typing_.reset(::fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0));
}

void SocketUpstream::adopt(UniqueFd socket, bool again) {
  socket_ = std::move(socket);
  watch_socket();
  holder_.hold("upstream:" + line_, socket_.get());
  had_one_ = true;
  if (again && on_reconnected) on_reconnected();
  if (on_change) on_change();
}

void SocketUpstream::let_go() {
  watch_.reset();
  holder_.drop("upstream:" + line_);
  socket_.reset();
  // The copy that is typed into goes after whoever types has been told.
  UniqueFd typed = std::move(typing_);
  if (on_change) on_change();
}

void SocketUpstream::ended() {
  let_go();
  if (!shutting_down_) next();
}

void SocketUpstream::wait() {
  if (watch_) watch_->wait(Watch::For::read, [this] { on_readable(); });
}

Result<std::size_t> SocketUpstream::pump(os::Spool& spool, std::size_t most) {
  // What was in the pipe when somebody was killed comes first.
  TRY_ASSIGN(std::size_t moved, spool.pump(pipe_out_.get(), most));
  if (moved > 0 || !socket_) return moved;
  while (true) {
    ssize_t n = ::splice(socket_.get(), nullptr, pipe_in_.get(), nullptr, most, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (n > 0) return spool.pump(pipe_out_.get(), most);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return std::size_t{0};
    // The end, or a reset after which there is nothing either. The loop first finishes what it does with this object.
    // Each connection's end counts once: by its number, since the next one's descriptor often has the number that this one's had.
    boost::asio::post(loop_, [this, alive = std::weak_ptr<bool>(alive_), connection = connection_] {
      if (!alive.expired() && socket_ && connection_ == connection) ended();
    });
    return std::size_t{0};
  }
}

void SocketUpstream::shut_down() {
  shutting_down_ = true;
  if (socket_) (void)::shutdown(socket_.get(), SHUT_WR);
}

DialUpstream::DialUpstream(boost::asio::io_context& loop, HolderLink& holder, std::string line, std::string path, os::PathWatch watch)
    : SocketUpstream(loop, holder, std::move(line)),
      path_(std::move(path)),
      path_watch_(std::move(watch)),
      inotify_(loop, path_watch_.fd()),
      retry_(loop) {}

Result<std::unique_ptr<DialUpstream>> DialUpstream::create(boost::asio::io_context& loop, HolderLink& holder, std::string line,
                                                           std::string path, KeptSocket kept) {
  TRY(os::check_socket_path(path));
  TRY_ASSIGN(os::PathWatch watch, os::PathWatch::create(path));
  std::unique_ptr<DialUpstream> dialled(new DialUpstream(loop, holder, std::move(line), std::move(path), std::move(watch)));
  TRY(dialled->set_up(std::move(kept)));
  // Of a connection that an earlier keeper made it is not known which socket it went to: the one at the path, unless that changes.
  if (dialled->socket_) dialled->connected_to_ = os::file_at(dialled->path_);
  dialled->wait_for_path();
  if (!dialled->socket_) {
    boost::asio::post(loop, [self = dialled.get(), alive = std::weak_ptr<bool>(dialled->alive_)] {
      if (!alive.expired() && !self->socket_) self->dial();
    });
  }
  return dialled;
}

void DialUpstream::wait_for_path() {
  inotify_.wait(Watch::For::read, [this] {
    path_watch_.settle();
    look();
    wait_for_path();
  });
}

void DialUpstream::look() {
  if (shutting_down_) return;
  if (!socket_) {
    refused_since_.reset();
    return dial();
  }
  // 46.0 tells nobody that it has bound a new socket at a guest's reboot: the old connection stays open and silent for ever.
  auto there = os::file_at(path_);
  if (!there || there == connected_to_) return;
  if (on_readable) on_readable();  // drain the old one first
  let_go();
  refused_since_.reset();
  dial();
}

void DialUpstream::dial() {
  if (shutting_down_ || socket_) return;
  // Connected to by what was opened: when another socket takes the path's place in between, it is known which of them this one is. To take
  // it for the other would be to dial twice, and what the guest says at its start would go to the first connection.
  UniqueFd file(::open(path_.c_str(), O_PATH | O_CLOEXEC));
  if (!file) return;  // absent: inotify tells
  std::string opened = fmt::format("/proc/self/fd/{}", file.get());
  auto there = os::file_at(opened);
  auto socket = os::connect_to(opened);
  if (socket) {
    refused_since_.reset();
    connected_to_ = there;
    return adopt(std::move(*socket), had_one_);
  }
  int error = socket.error().number();
  // Bound and not listening yet, which nothing tells of, or more clients than it has accepted. (Inotify tells when another takes its
  // place.)
  if (error == ECONNREFUSED || error == EAGAIN) {
    auto now = std::chrono::steady_clock::now();
    if (!refused_since_) refused_since_ = now;
    retry_.expires_after(std::clamp<std::chrono::steady_clock::duration>((now - *refused_since_) / pauses, least_pause, most_pause));
    retry_.async_wait([this](boost::system::error_code failed) {
      if (!failed) dial();
    });
  }
}

ListenUpstream::ListenUpstream(boost::asio::io_context& loop, HolderLink& holder, std::string line, UniqueFd listener)
    : SocketUpstream(loop, holder, std::move(line)), listener_(std::move(listener)), watch_(loop, listener_.get()) {}

Result<std::unique_ptr<ListenUpstream>> ListenUpstream::create(boost::asio::io_context& loop, HolderLink& holder, std::string line,
                                                               UniqueFd listener, KeptSocket kept) {
  std::unique_ptr<ListenUpstream> listening(new ListenUpstream(loop, holder, std::move(line), std::move(listener)));
  TRY(listening->set_up(std::move(kept)));
  if (!listening->socket_) listening->accept();
  return listening;
}

void ListenUpstream::accept() {
  // One monitor at a time: the next one waits in the queue until the one before it has gone.
  if (socket_ || shutting_down_) return;
  UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket) return adopt(std::move(socket), had_one_);
  watch_.wait(Watch::For::read, [this] { accept(); });
}

}  // namespace vmline::keeper
