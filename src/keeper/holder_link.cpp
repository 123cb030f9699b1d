// SPDX-License-Identifier: Apache-2.0
// The keeper's end of the pair with its holder; see holder_link.hpp.
#include "keeper/holder_link.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.hpp"
#include "keeper/start_record.hpp"
#include "os/process_identity.hpp"

namespace vmline::keeper {

using wire::holder::Kind;
using wire::holder::Message;
using wire::holder::Type;

namespace {

UniqueFd copy_of(int fd) { return UniqueFd(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

/// "client:serial0:17" → 17.
std::int64_t number_of(std::string_view name) {
  std::size_t at = name.rfind(':');
  return at == std::string_view::npos ? 0 : std::atoll(std::string(name.substr(at + 1)).c_str());
}

}  // namespace

Message HolderLink::message_of(Type type, const std::string& name, std::int64_t a, std::int64_t b) {
  Message message;
  message.type = type;
  message.a = a;
  message.b = b;
  CHECK(name.size() < wire::holder::name_size);
  std::memcpy(message.name, name.data(), name.size());
  return message;
}

HolderLink::HolderLink(boost::asio::io_context& loop, UniqueFd socket, Settings settings)
    : loop_(loop), socket_(std::move(socket)), settings_(std::move(settings)), timer_(loop), retry_(loop) {}

HolderLink::~HolderLink() {
  holder_watch_.reset();
  watch_.reset();
}

Result<HolderLink::Inheritance> HolderLink::inherit() {
  Inheritance all;
  while (true) {
    pollfd ready{socket_.get(), POLLIN, 0};
    if (::poll(&ready, 1, 1000) == 0) return fail("the holder said nothing for a second", ErrorKind::timed_out);
    auto packet = os::receive_packet(socket_.get());
    if (!packet) return std::unexpected(packet.error().because("the holder"));
    if (!*packet) continue;
    Message& message = (*packet)->message;
    switch (message.type) {
      case Type::held:
        if ((*packet)->descriptor) {
          std::string name = message.name;
          auto kind = static_cast<Kind>(message.a);
          known_[name] = Known{(*packet)->descriptor.get(), kind};
          if (kind == Kind::client) next_client_ = std::max(next_client_, number_of(name) + 1);
          all.descriptors[name] = std::move((*packet)->descriptor);
        } else if (static_cast<Kind>(message.a) == Kind::client) {
          refuse(message.name);
        }
        break;
      case Type::process: {
        HeldProcess process{static_cast<pid_t>(message.a), std::move((*packet)->descriptor), false, -1};
        watched_[message.name] = Watched{process.pid, process.pidfd.get()};
        all.processes[message.name] = std::move(process);
        break;
      }
      case Type::ended:
        if (auto it = all.processes.find(message.name); it != all.processes.end()) {
          it->second.ended = true;
          it->second.status = static_cast<int>(message.b);
        }
        break;
      case Type::are_you_there: {
        Message answer = message_of(Type::here, "");
        answer.id = message.id;
        send(answer, -1);
        break;
      }
      case Type::ready:
        holder_pid_ = static_cast<pid_t>(message.a);
        all.keepers_before = message.b;
        holder_pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, holder_pid_, 0)));
        return all;
      default: break;
    }
  }
}

void HolderLink::start() {
  listen();
  watch_holder();
}

void HolderLink::listen() {
  watch_ = std::make_unique<Watch>(loop_, socket_.get());
  watch_->wait(Watch::For::read, [this] { receive(); });
}

void HolderLink::watch_holder() {
  holder_watch_.reset();
  if (!holder_pidfd_) return;
  holder_watch_ = std::make_unique<Watch>(loop_, holder_pidfd_.get());
  holder_watch_->wait(Watch::For::read, [this] {
    // What it had still sent is read first: raw clients it had accepted among it.
    pid_t ended = holder_pid_;
    receive();
    if (holder_pid_ == ended) replace("it ended");
  });
}

void HolderLink::receive() {
  while (!quitting_) {
    auto packet = os::receive_packet(socket_.get());
    if (!packet) return replace("its end of the pair closed");
    if (!*packet) break;
    handle(std::move(**packet));
  }
  if (watch_) watch_->wait(Watch::For::read, [this] { receive(); });
}

void HolderLink::handle(os::Packet packet) {
  const Message& message = packet.message;
  switch (message.type) {
    case Type::accepted: {
      next_client_ = std::max(next_client_, number_of(message.name) + 1);
      if (!packet.descriptor) return refuse(message.name);  // our table is full
      if (on_accepted) on_accepted(message.name, std::move(packet.descriptor));
      return;
    }
    case Type::ended:
      watched_.erase(message.name);
      if (on_ended) on_ended(message.name, static_cast<int>(message.b));
      return;
    case Type::are_you_there: {
      Message answer = message_of(Type::here, "");
      answer.id = message.id;
      send(answer, -1);
      return;
    }
    case Type::done:
    case Type::pong:
    case Type::started: {
      auto it = requests_.find(message.id);
      if (it == requests_.end()) return;
      Request request = std::move(it->second);
      requests_.erase(it);
      arm();
      if (request.started) {
        if (!packet.descriptor) {
          request.started(std::unexpected(start_failure(request.descriptor.get(), message.a, static_cast<int>(message.b))));
        } else {
          watched_[request.message.name] = Watched{static_cast<pid_t>(message.a), packet.descriptor.get()};
          request.started(HeldProcess{static_cast<pid_t>(message.a), std::move(packet.descriptor), false, -1});
        }
      } else if (request.done) {
        request.done(static_cast<int>(message.a));
      }
      return;
    }
    default: return;
  }
}

void HolderLink::send(const Message& message, int fd) {
  if (outgoing_.empty()) {
    auto result = os::send_packet(socket_.get(), message, fd);
    if (result == os::SendResult::sent) return;
    if (result == os::SendResult::gone) return;  // its end is noticed by reading
  }
  outgoing_.push_back({message, copy_of(fd)});
  flush();
}

void HolderLink::flush() {
  while (!outgoing_.empty()) {
    Outgoing& next = outgoing_.front();
    auto result = os::send_packet(socket_.get(), next.message, next.descriptor.get());
    if (result == os::SendResult::later) {
      // ETOOMANYREFS makes no socket writable: ask again after a while.
      retry_.expires_after(std::chrono::milliseconds(5));
      retry_.async_wait([this](boost::system::error_code error) {
        if (!error) flush();
      });
      return;
    }
    outgoing_.pop_front();
  }
}

void HolderLink::request(Message message, int fd, Done done, Started started, std::string identity) {
  message.id = next_id_++;
  bool first = requests_.empty();
  requests_.emplace(message.id,
                    Request{message, started ? copy_of(fd) : UniqueFd(), std::move(done), std::move(started), std::move(identity)});
  send(message, fd);
  if (first) arm();
}

void HolderLink::arm() {
  timer_.cancel();
  if (requests_.empty() || quitting_) return;
  armed_ = std::chrono::steady_clock::now();
  timer_.expires_after(settings_.answer);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error || requests_.empty() || quitting_) return;
    auto late = std::chrono::steady_clock::now() - armed_ - settings_.answer;
    // When we were held up ourselves, so may the holder have been: another round. (Its answer may also lie unread.)
    unsigned replaced = replaced_;
    receive();
    if (requests_.empty() || replaced_ != replaced) return;
    if (late > std::chrono::milliseconds(50)) return arm();
    replace(fmt::format("it has not answered for {} ms", settings_.answer.count()));
  });
}

void HolderLink::sync(Done done) { request(message_of(Type::ping, ""), -1, std::move(done)); }

void HolderLink::hold(const std::string& name, int fd, Kind kind, Done done) {
  known_[name] = Known{fd, kind};
  request(message_of(Type::hold, name, static_cast<std::int64_t>(kind)), fd, done ? std::move(done) : [](int) {});
}

void HolderLink::adopt(const std::string& name, int fd, Kind kind) { known_[name] = Known{fd, kind}; }

void HolderLink::drop(const std::string& name) {
  auto it = known_.find(name);
  if (it == known_.end()) return;
  known_.erase(it);
  send(message_of(Type::drop, name), -1);
}

void HolderLink::refuse(const std::string& client) {
  known_.erase(client);
  send(message_of(Type::refuse, client), -1);
}

void HolderLink::start_process(const std::string& name, UniqueFd record, std::string identity, Started started) {
  request(message_of(Type::start, name), record.get(), nullptr, std::move(started), std::move(identity));
}

void HolderLink::watch_process(const std::string& name, pid_t pid, int pidfd) {
  watched_[name] = Watched{pid, pidfd};
  request(message_of(Type::watch, name, pid), pidfd, [](int) {});
}

void HolderLink::forget_process(const std::string& name) {
  watched_.erase(name);
  send(message_of(Type::forget, name), -1);
}

void HolderLink::allow_pump(const std::string& line, std::uint64_t backlog, std::chrono::milliseconds stall_limit) {
  Message message = message_of(Type::pump, line, static_cast<std::int64_t>(backlog), stall_limit.count());
  std::erase_if(pumps_, [&](const Message& m) { return line == m.name; });
  pumps_.push_back(message);
  request(message, -1, [](int) {});
}

void HolderLink::release_pump(const std::string& line, Done done) { request(message_of(Type::release_pump, line), -1, std::move(done)); }

void HolderLink::settings(std::chrono::milliseconds keeper_limit, std::uint32_t clients_most) {
  told_settings_ = message_of(Type::settings, "", keeper_limit.count(), clients_most);
  request(*told_settings_, -1, [](int) {});
}

void HolderLink::quit() {
  quitting_ = true;
  timer_.cancel();
  holder_watch_.reset();
  send(message_of(Type::quit, ""), -1);
}

}  // namespace vmline::keeper
