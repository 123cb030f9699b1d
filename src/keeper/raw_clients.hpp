// SPDX-License-Identifier: Apache-2.0
// The raw clients of a line: each a socket and a cursor of its own on the spool, both held by the holder as well. A slow one costs nobody
// anything: it is fed when it can take something, from wherever its cursor stands.
#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/unique_fd.hpp"
#include "keeper/history.hpp"
#include "keeper/holder_link.hpp"
#include "keeper/input.hpp"
#include "keeper/watch.hpp"
#include "os/spool.hpp"

namespace vmline::keeper {

class RawClients {
 public:
  RawClients(boost::asio::io_context& loop, HolderLink& holder, os::Spool& spool, History& history, Input& input);
  ~RawClients();

  /// A client whose cursor is made now, at `start`; its first byte is sent once its cursor is held too.
  void accept(const std::string& name, UniqueFd socket, Offset start);
  /// A client and its cursor as the holder kept them: it goes on where its cursor stands.
  void take_over(const std::string& name, UniqueFd socket, UniqueFd cursor);

  /// The head has moved: everybody who can take bytes gets them.
  void feed(Offset head);
  /// The lease is free, or has another holder: who is read changes.
  void read_again();
  /// Whether everybody has all there is, or will not take it.
  [[nodiscard]] bool all_fed() const;
  void close_all();
  [[nodiscard]] std::size_t count() const { return clients_.size(); }

 private:
  struct Client {
    std::string name;  ///< "client:serial0:17"
    std::string cursor_name;
    std::string who;  ///< "raw:17": as the writer's name
    UniqueFd socket;
    UniqueFd cursor;
    std::unique_ptr<Watch> watch;
    Offset position = 0;
    bool held = false;     ///< its cursor is held: bytes may be sent
    bool blocked = false;  ///< waits until it can take something
    bool paging = false;   ///< waits for its history
    bool eof = false;      ///< it will type no more (a half-close is not the end)
  };
  using Clients = std::map<std::string, std::unique_ptr<Client>, std::less<>>;

  void add(std::unique_ptr<Client> client);
  void feed(Client& client);
  /// How far the cursor may be read; nothing when it has to wait.
  std::optional<Offset> readable(Client& client);
  void read(Client& client);
  /// Reads once what it typed; whether there may be more.
  bool take_typed(Client& client);
  void wait_for_input(Client& client);
  void drop(const std::string& name);
  /// It has closed; what it typed before (`echo reboot | socat …`) still counts.
  void gone(const std::string& name);
  /// The client's own life, checked by name: it may be gone when a handler runs.
  template <class Action>
  void with(const std::string& name, Action action) {
    if (auto it = clients_.find(name); it != clients_.end()) action(*it->second);
  }

  boost::asio::io_context& loop_;
  HolderLink& holder_;
  os::Spool& spool_;
  History& history_;
  Input& input_;
  Clients clients_;
  Offset head_ = 0;
  bool guard_needed_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace vmline::keeper
