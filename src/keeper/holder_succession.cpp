// SPDX-License-Identifier: Apache-2.0
// How a holder that has died or does not answer is replaced, and given everything again; see holder_link.hpp.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "keeper/holder_link.hpp"
#include "os/files.hpp"
#include "os/process_identity.hpp"

namespace vmline::keeper {

using wire::holder::Kind;
using wire::holder::Message;
using wire::holder::Type;

namespace {

/// A killed process ends within microseconds, unless it hangs in the kernel.
constexpr std::chrono::milliseconds moment_of_death{100};
/// So long a child that was to end with its holder may need to.
constexpr std::chrono::milliseconds moment_of_orphans{20};

}  // namespace

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
  auto identity = os::ProcessIdentity::load(start.identity);
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
  for (const auto& [name, known] : known_)
    request(message_of(Type::hold, name, static_cast<std::int64_t>(known.kind)), known.fd, [](int) {});
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
