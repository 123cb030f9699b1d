// SPDX-License-Identifier: Apache-2.0
// The keeper's end of the pair with its holder; see holder_link.hpp.
#include "keeper/holder_link.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.hpp"
#include "os/files.hpp"
#include "os/process_identity.hpp"

namespace vmline::keeper {

using wire::holder::Kind;
using wire::holder::Message;
using wire::holder::Type;

namespace {

Message message_of(Type type, const std::string& name, std::int64_t a = 0, std::int64_t b = 0) {
  Message message;
  message.type = type;
  message.a = a;
  message.b = b;
  CHECK(name.size() < wire::holder::name_size);
  std::memcpy(message.name, name.data(), name.size());
  return message;
}

UniqueFd copy_of(int fd) { return UniqueFd(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

/// A killed process ends within microseconds, unless it hangs in the kernel.
constexpr std::chrono::milliseconds moment_of_death{100};
/// So long a child that was to end with its holder may need to.
constexpr std::chrono::milliseconds moment_of_orphans{20};

/// "client:serial0:17" → 17.
std::int64_t number_of(std::string_view name) {
  std::size_t at = name.rfind(':');
  return at == std::string_view::npos ? 0 : std::atoll(std::string(name.substr(at + 1)).c_str());
}

}  // namespace

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
          request.started(std::unexpected(Error::system("start", static_cast<int>(message.b))));
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
  requests_.emplace(message.id, Request{message, started ? copy_of(fd) : UniqueFd(), std::move(done), std::move(started), std::move(identity)});
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

void HolderLink::replace(const std::string& why) {
  if (quitting_) return;
  holder_watch_.reset();
  watch_.reset();
  retry_.cancel();
  outgoing_.clear();
  ++replaced_;
  bool dead = end_holder();
  if (auto spawned = spawn_holder(); !spawned) {
    // Out of processes or descriptors for a moment: the line goes on without a holder, and this is tried again.
    retry_.expires_after(std::chrono::milliseconds(100));
    retry_.async_wait([this, why](boost::system::error_code error) {
      if (!error) replace(why);
    });
    return;
  }
  hand_over(dead);
  listen();
  watch_holder();
  if (on_new_holder) on_new_holder(why);
}

/// Kills the old holder, and takes what it had still sent: clients that it had accepted, a process that it had started. False when it
/// does not end, and may still do something.
bool HolderLink::end_holder() {
  if (!holder_pidfd_) return true;
  os::signal_process(holder_pidfd_.get(), SIGKILL);
  bool dead = os::ends_within(holder_pidfd_.get(), moment_of_death);
  // Where it was started by us it is our child, and else this does nothing.
  siginfo_t info{};
  (void)::waitid(P_PIDFD, static_cast<id_t>(holder_pidfd_.get()), &info, WEXITED | WNOHANG);
  while (true) {
    auto packet = os::receive_packet(socket_.get());
    if (!packet || !*packet) return dead;
    handle(std::move(**packet));
  }
}

/// A start that was not answered: there is a child when it has written who it is. One that has not ended with its holder.
void HolderLink::settle_start(Request start, bool holder_is_dead) {
  std::string name = start.message.name;
  if (!holder_is_dead) {
    return start.started(fail("the holder hangs in the kernel, and may have started it or not", ErrorKind::timed_out));
  }
  auto written = os::read_file(start.identity, 256);
  auto identity = written ? os::ProcessIdentity::parse(*written) : Result<os::ProcessIdentity>(std::unexpected(written.error()));
  if (identity) {
    if (auto pidfd = identity->open(); pidfd && !os::ends_within(pidfd->get(), moment_of_orphans)) {
      watch_process(name, identity->pid, pidfd->get());
      return start.started(HeldProcess{identity->pid, std::move(*pidfd), false, -1});
    }
  }
  request(start.message, start.descriptor.get(), nullptr, std::move(start.started), std::move(start.identity));
}

Result<> HolderLink::spawn_holder() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) return fail_errno("socketpair");
  UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);
  std::vector<std::string> words{settings_.holder_program, "--succeed", settings_.run_dir, "--"};
  words.insert(words.end(), settings_.keeper_argv.begin(), settings_.keeper_argv.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  // A dup2 onto the same number would leave close-on-exec set: move it out of the way first.
  UniqueFd high(theirs.get() == wire::holder::keeper_socket ? ::fcntl(theirs.get(), F_DUPFD_CLOEXEC, 10) : -1);
  posix_spawn_file_actions_adddup2(&actions, high ? high.get() : theirs.get(), wire::holder::keeper_socket);
  posix_spawn_file_actions_addclosefrom_np(&actions, wire::holder::keeper_socket + 1);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  int error = ::posix_spawn(&pid, settings_.holder_program.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return std::unexpected(Error::system("start " + settings_.holder_program, error));
  holder_pid_ = pid;
  holder_pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  socket_ = std::move(ours);
  return {};
}

void HolderLink::hand_over(bool old_is_dead) {
  UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  std::map<std::uint32_t, Request> pending = std::move(requests_);
  requests_.clear();
  request(message_of(Type::keeper, "", ::getpid(), next_client_), self.get(), [](int) {});
  for (const auto& [name, known] : known_) request(message_of(Type::hold, name, static_cast<std::int64_t>(known.kind)), known.fd, [](int) {});
  for (const auto& [name, watched] : watched_) request(message_of(Type::watch, name, watched.pid), watched.pidfd, [](int) {});
  for (const Message& pump : pumps_) request(pump, -1, [](int) {});
  if (told_settings_) request(*told_settings_, -1, [](int) {});
  request(message_of(Type::succeed, ""), -1, [](int) {});
  // What the old one had not answered: holds have just been made again, the rest is asked again. Their ids go on, so order is kept.
  for (auto& [id, old] : pending) {
    int fd = -1;
    if (old.message.type == Type::start) {
      settle_start(std::move(old), old_is_dead);
      continue;
    }
    if (old.message.type == Type::hold) {
      auto it = known_.find(old.message.name);
      if (it == known_.end()) continue;
      fd = it->second.fd;
    } else if (old.message.type != Type::release_pump && old.message.type != Type::ping) {
      continue;
    }
    request(old.message, fd, std::move(old.done));
  }
  arm();
}

}  // namespace vmline::keeper
