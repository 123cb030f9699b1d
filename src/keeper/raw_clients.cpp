// SPDX-License-Identifier: Apache-2.0
// The raw clients of a line; see raw_clients.hpp.
#include "keeper/raw_clients.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "os/feed.hpp"

namespace vmline::keeper {
namespace {

/// Bytes a client is sent in one call: as many as a socket takes at once.
constexpr std::size_t batch = 256u << 10;

std::string number_of(const std::string& name) { return name.substr(name.rfind(':') + 1); }

/// "client:serial0:17" → "cursor:serial0:17".
std::string cursor_name_of(const std::string& name) { return "cursor" + name.substr(name.find(':')); }

}  // namespace

RawClients::RawClients(boost::asio::io_context& loop, HolderLink& holder, os::Spool& spool, History& history, Input& input)
    : loop_(loop), holder_(holder), spool_(spool), history_(history), input_(input), guard_needed_(os::SendGuard::prepare()) {}

RawClients::~RawClients() = default;

void RawClients::accept(const std::string& name, UniqueFd socket, Offset start) {
  auto cursor = spool_.cursor(start);
  if (!cursor) return holder_.refuse(name);  // at the descriptor limit; it has seen nothing yet
  auto client = std::make_unique<Client>();
  client->name = name;
  client->socket = std::move(socket);
  client->cursor = std::move(*cursor);
  client->position = start;
  int fd = client->cursor.get();
  std::string cursor_name = cursor_name_of(name);
  add(std::move(client));
  holder_.hold(cursor_name, fd, wire::holder::Kind::plain, [this, name, alive = std::weak_ptr<bool>(alive_)](int error) {
    if (alive.expired()) return;
    if (error != 0) {
      // The holder has no room for its cursor: without it a keeper's death would lose this client its place.
      holder_.refuse(name);
      return drop(name);
    }
    with(name, [this](Client& c) {
      c.held = true;
      feed(c);
    });
  });
}

void RawClients::take_over(const std::string& name, UniqueFd socket, UniqueFd cursor) {
  auto client = std::make_unique<Client>();
  client->name = name;
  client->socket = std::move(socket);
  client->cursor = std::move(cursor);
  off_t position = ::lseek(client->cursor.get(), 0, SEEK_CUR);
  client->position = position < 0 ? 0 : static_cast<Offset>(position);
  client->held = true;
  holder_.adopt(cursor_name_of(name), client->cursor.get(), wire::holder::Kind::plain);
  add(std::move(client));
  // What the keeper before had pumped and not sent any more: the guest may say nothing for long.
  with(name, [this](Client& c) { feed(c); });
}

void RawClients::add(std::unique_ptr<Client> client) {
  client->cursor_name = cursor_name_of(client->name);
  client->who = "raw:" + number_of(client->name);
  client->watch = std::make_unique<Watch>(loop_, client->socket.get());
  holder_.adopt(client->name, client->socket.get(), wire::holder::Kind::client);
  Client& added = *client;
  std::string name = client->name;
  clients_[name] = std::move(client);
  wait_for_input(added);
}

void RawClients::feed(Offset head) {
  head_ = head;
  // A feed can drop a client, its own only: the next one is found before.
  for (auto it = clients_.begin(); it != clients_.end();) {
    Client& client = *(it++)->second;
    if (!client.blocked && !client.paging) feed(client);
  }
}

std::optional<Offset> RawClients::readable(Client& client) {
  while (client.position < spool_.low()) {
    auto answer = history_.at(client.position, spool_.low(), [this, name = client.name, alive = std::weak_ptr<bool>(alive_)] {
      if (alive.expired()) return;
      with(name, [this](Client& c) {
        c.paging = false;
        if (!c.blocked) feed(c);
      });
    });
    if (auto* filled = std::get_if<History::Filled>(&answer)) return filled->end;
    if (std::holds_alternative<History::Pending>(answer)) {
      client.paging = true;
      return std::nullopt;
    }
    // Raw clients are never told of gaps in-band: they go on behind it.
    Offset next = std::max(std::get<HistoryLoss>(answer).range.end, client.position + 1);
    client.position = next;
    (void)::lseek(client.cursor.get(), static_cast<off_t>(next), SEEK_SET);
  }
  return head_;
}

void RawClients::feed(Client& client) {
  if (!client.held) return;
  while (true) {
    auto end = readable(client);
    if (!end || client.position >= *end) return;
    os::Fed fed;
    {
      os::SendGuard guard(guard_needed_);
      fed = os::feed(client.socket.get(), client.cursor.get(), std::min<Offset>(*end - client.position, batch));
    }
    client.position += fed.bytes;
    if (fed.result == os::FeedResult::sent) continue;
    if (fed.result == os::FeedResult::later) {
      client.blocked = true;
      client.watch->wait(Watch::For::write, [this, name = client.name] {
        with(name, [this](Client& c) {
          c.blocked = false;
          if (!c.paging) feed(c);
        });
      });
      return;
    }
    return gone(client.name);
  }
}

void RawClients::wait_for_input(Client& client) {
  auto name = client.name;
  // Someone who may not type now is not read: it learns by the guest's silence, and its bytes wait for their time. That it has gone is
  // seen all the same.
  if (!client.eof && input_.may_type(client.who) && input_.room() > 0) {
    client.watch->wait(Watch::For::read, [this, name] { with(name, [this](Client& c) { read(c); }); });
  }
  client.watch->wait(Watch::For::hang_up, [this, name] { gone(name); });
}

void RawClients::gone(const std::string& name) {
  for (bool more = true; more;) {
    more = false;
    with(name, [&](Client& c) { more = !c.eof && take_typed(c); });
  }
  drop(name);
}

void RawClients::read_again() {
  for (auto& [name, client] : clients_) wait_for_input(*client);
}

bool RawClients::take_typed(Client& client) {
  if (!input_.may_type(client.who) || input_.room() == 0) return false;
  std::array<std::byte, 4096> buffer;
  ssize_t n = ::recv(client.socket.get(), buffer.data(), std::min(buffer.size(), input_.room()), MSG_DONTWAIT);
  if (n == 0) {
    client.eof = true;
    input_.leave(client.who);
    return false;
  }
  // What cannot be typed anywhere is lost: typing is promised at most once. An error is followed by the hang-up that tells it.
  if (n > 0) (void)input_.type(client.who, std::span(buffer).first(static_cast<std::size_t>(n)));
  return n > 0;
}

void RawClients::read(Client& client) {
  std::string name = client.name;
  (void)take_typed(client);
  with(name, [this](Client& c) { wait_for_input(c); });
}

bool RawClients::all_fed() const {
  return std::ranges::all_of(clients_, [this](const auto& entry) { return entry.second->position >= head_ || entry.second->blocked; });
}

void RawClients::drop(const std::string& name) {
  auto it = clients_.find(name);
  if (it == clients_.end()) return;
  auto client = std::move(it->second);
  clients_.erase(it);
  // The cursor last: a client without one has seen nothing yet, and the keeper after a SIGKILL would send it all again.
  holder_.drop(client->name);
  holder_.drop(client->cursor_name);
  input_.leave(client->who);
}

void RawClients::close_all() {
  while (!clients_.empty()) drop(clients_.begin()->first);
}

}  // namespace vmline::keeper
