// SPDX-License-Identifier: Apache-2.0
// A line whose monitor is at the other end of a Unix socket: dialled, or listened for. Bytes go socket → pipe → spool, each hop one splice,
// and the holder has socket and pipe as well, so that a SIGKILL between the hops loses nothing.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/unique_fd.hpp"
#include "keeper/holder_link.hpp"
#include "keeper/upstream.hpp"
#include "keeper/watch.hpp"
#include "os/path_watch.hpp"

namespace vmline::keeper {

/// What the holder kept of such a line.
struct KeptSocket {
  UniqueFd socket, pipe_out, pipe_in;
};

class SocketUpstream : public Upstream {
 public:
  ~SocketUpstream() override;
  Result<std::size_t> pump(os::Spool& spool, std::size_t most) override;
  void wait() override;
  [[nodiscard]] int input() const override { return typing_.get(); }
  [[nodiscard]] const char* state() const override { return socket_ ? "open" : "waiting"; }
  [[nodiscard]] std::size_t pipe_size() const override { return pipe_size_; }
  /// Half-closes, so that nothing new is sent to us; what is on its way is pumped until the monitor closes too. Closing with unread
  /// bytes would be a reset to the monitor, after which Cloud Hypervisor's console is dead until its next reboot.
  void shut_down() override;
  [[nodiscard]] bool shutting_down() const { return shutting_down_; }

 protected:
  SocketUpstream(boost::asio::io_context& loop, HolderLink& holder, std::string line);
  /// Makes the pipe, or takes what was kept.
  Result<> set_up(KeptSocket kept);
  void adopt(UniqueFd socket, bool again);
  /// Takes what is there of the old connection, then lets it go.
  void let_go();
  /// The connection has ended: get the next.
  virtual void next() = 0;

  boost::asio::io_context& loop_;
  HolderLink& holder_;
  std::string line_;
  UniqueFd socket_;
  bool had_one_ = false;
  bool shutting_down_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

 private:
  void ended();
  void watch_socket();
  std::uint64_t connection_ = 0;  ///< the number of the connection that is open
  UniqueFd typing_;               ///< a copy: one descriptor cannot be waited for by two
  UniqueFd pipe_out_, pipe_in_;
  std::size_t pipe_size_ = 0;
  std::unique_ptr<Watch> watch_;
};

class DialUpstream : public SocketUpstream {
 public:
  static Result<std::unique_ptr<DialUpstream>> create(boost::asio::io_context& loop, HolderLink& holder, std::string line, std::string path,
                                                      KeptSocket kept);
  [[nodiscard]] const char* kind() const override { return "dial"; }

 private:
  DialUpstream(boost::asio::io_context& loop, HolderLink& holder, std::string line, std::string path, os::PathWatch watch);
  void next() override { dial(); }
  void dial();
  void look();
  void wait_for_path();

  std::string path_;
  os::PathWatch path_watch_;
  Watch inotify_;
  std::optional<os::FileId> connected_to_;
  boost::asio::steady_timer retry_;
  std::optional<std::chrono::steady_clock::time_point> refused_since_;
};

class ListenUpstream : public SocketUpstream {
 public:
  static Result<std::unique_ptr<ListenUpstream>> create(boost::asio::io_context& loop, HolderLink& holder, std::string line,
                                                        UniqueFd listener, KeptSocket kept);
  [[nodiscard]] const char* kind() const override { return "listen"; }

 private:
  ListenUpstream(boost::asio::io_context& loop, HolderLink& holder, std::string line, UniqueFd listener);
  void next() override { accept(); }
  void accept();

  UniqueFd listener_;
  Watch watch_;
};

}  // namespace vmline::keeper
