// SPDX-License-Identifier: Apache-2.0
// The keeper's end of the pair that joins it to its holder (docs/holder-protocol.md): what is held by name, processes started and ended,
// raw clients accepted. A holder that dies or has not answered for 200 ms is replaced by a new one, which is handed everything again.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "keeper/watch.hpp"
#include "os/seqpacket.hpp"

namespace vmline::keeper {

/// A process as the holder knows it.
struct HeldProcess {
  pid_t pid = 0;
  UniqueFd pidfd;
  bool ended = false;
  int status = -1;  ///< wait status; -1 where the holder was not its parent
};

class HolderLink {
 public:
  struct Settings {
    std::string holder_program;             ///< to start a new one
    std::string run_dir;                    ///< RUN/NAME
    std::vector<std::string> keeper_argv;   ///< what a new holder starts when this keeper is gone
    std::chrono::milliseconds answer{200};  ///< a holder that has not answered for so long is replaced
  };
  /// What was held when this keeper started.
  struct Inheritance {
    std::map<std::string, UniqueFd, std::less<>> descriptors;
    std::map<std::string, HeldProcess, std::less<>> processes;
    std::int64_t keepers_before = 0;
  };

  std::function<void(const std::string& name, UniqueFd connection)> on_accepted;
  std::function<void(const std::string& name, int status)> on_ended;
  std::function<void(const std::string& why)> on_new_holder;

  HolderLink(boost::asio::io_context& loop, UniqueFd socket, Settings settings);
  ~HolderLink();

  /// Reads what is held, up to `ready`. Blocks, for a second at the most: nothing else can be done before.
  Result<Inheritance> inherit();
  /// Starts to listen on the loop.
  void start();

  using Done = std::function<void(int error_number)>;
  /// Keeps `fd` (borrowed: it must stay open until drop) under this name; `done` is called when it is held.
  void hold(const std::string& name, int fd, wire::holder::Kind kind = wire::holder::Kind::plain, Done done = nullptr);
  /// What a predecessor held already: remembered, for the next holder.
  void adopt(const std::string& name, int fd, wire::holder::Kind kind);
  /// `done` is called when everything asked for before has been answered.
  void sync(Done done);
  void drop(const std::string& name);
  void refuse(const std::string& client);

  using Started = std::function<void(Result<HeldProcess>)>;
  /// Starts a process from a start record (a memfd), whose child writes who it is to `identity`: should the holder die before it has
  /// answered, this tells whether there is a child already.
  void start_process(const std::string& name, UniqueFd record, std::string identity, Started started);
  /// Watches a process that is nobody's child of ours (adopted).
  void watch_process(const std::string& name, pid_t pid, int pidfd);
  void forget_process(const std::string& name);

  void allow_pump(const std::string& line, std::uint64_t backlog, std::chrono::milliseconds stall_limit);
  void release_pump(const std::string& line, Done done);
  void settings(std::chrono::milliseconds keeper_limit, std::uint32_t clients_most);
  /// The VM has ended: the holder goes. Nothing may be asked after it.
  void quit();

  [[nodiscard]] pid_t holder_pid() const { return holder_pid_; }
  [[nodiscard]] unsigned holders_replaced() const { return replaced_; }

 private:
  struct Known {
    int fd = -1;
    wire::holder::Kind kind{};
  };
  struct Watched {
    pid_t pid = 0;
    int pidfd = -1;
  };
  struct Request {
    wire::holder::Message message;
    UniqueFd descriptor;  ///< our own copy while it waits for its answer
    Done done;
    Started started;
    std::string identity;
  };
  struct Outgoing {
    wire::holder::Message message;
    UniqueFd descriptor;
  };

  static wire::holder::Message message_of(wire::holder::Type type, const std::string& name, std::int64_t a = 0, std::int64_t b = 0);
  void request(wire::holder::Message message, int fd, Done done, Started started = nullptr, std::string identity = {});
  void send(const wire::holder::Message& message, int fd);
  void flush();
  void listen();
  void receive();
  void handle(os::Packet packet);
  void arm();
  void replace(const std::string& why);
  bool end_holder();
  void settle_start(Request start, bool holder_is_dead);
  void watch_holder();
  Result<> spawn_holder();
  void hand_over(bool old_is_dead);

  boost::asio::io_context& loop_;
  UniqueFd socket_;
  Settings settings_;
  std::unique_ptr<Watch> watch_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer retry_;
  std::uint32_t next_id_ = 1;
  std::map<std::uint32_t, Request> requests_;
  std::deque<Outgoing> outgoing_;
  std::map<std::string, Known, std::less<>> known_;
  std::map<std::string, Watched, std::less<>> watched_;
  std::vector<wire::holder::Message> pumps_;
  std::optional<wire::holder::Message> told_settings_;
  pid_t holder_pid_ = 0;
  UniqueFd holder_pidfd_;
  std::unique_ptr<Watch> holder_watch_;
  std::int64_t next_client_ = 1;
  unsigned replaced_ = 0;
  bool quitting_ = false;
  std::chrono::steady_clock::time_point armed_;
};

}  // namespace vmline::keeper
