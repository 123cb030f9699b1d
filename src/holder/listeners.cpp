// SPDX-License-Identifier: Apache-2.0
// Accepting, and the arithmetic of who still has room.
#include "holder/listeners.hpp"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.hpp"

namespace vmline::holder {

namespace {

/// Sends a sentence and closes. What the client has typed is thrown away first: closed with unread bytes it would see a reset, not the
/// sentence.
void send_and_close(int client, const char* text, int length) {
  char typed[4096];
  for (int i = 0; i < 64 && ::recv(client, typed, sizeof(typed), MSG_DONTWAIT) > 0; ++i) {
  }
  [[maybe_unused]] const ssize_t sent = ::send(client, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  ::close(client);
}

/// Descriptors that are not for clients: processes, messages under way, and what the keeper, which has the same limit, needs for itself.
std::size_t reserve_of(std::size_t descriptors) {
  const std::size_t quarter = descriptors / 4;
  return quarter > 256 ? 256 : quarter;
}

/// "client:LINE:NUMBER" → LINE.
void line_of_client(const char* name, char (&line)[wire::name_size]) {
  ::strcpy(line, name + sizeof(wire::client_prefix) - 1);
  if (char* colon = ::strchr(line, ':'); colon != nullptr) *colon = 0;
}

const char* line_of_listener(const HeldTable::Entry& entry) { return entry.name + sizeof(wire::listener_prefix) - 1; }

UniqueFd open_spare() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

Listeners::Listeners(HeldTable& held, Log& log, const char* vm)
    : held_(held), log_(log), vm_(vm), spare_(open_spare()), clients_most_(limits::raw_clients) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  descriptors_most_ = limit.rlim_cur < wire::held_max ? limit.rlim_cur : wire::held_max;
}

void Listeners::listen(HeldTable::Index index) {
  const int fd = held_.entry(index).fd;
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);  // a client that has gone before it was accepted
  listeners_[count_++] = {index, Moment(0), PollSet::none};
}

void Listeners::forget(HeldTable::Index index) {
  for (int i = 0; i < count_; ++i) {
    if (listeners_[i].index != index) continue;
    listeners_[i] = listeners_[--count_];
    return;
  }
}

bool Listeners::room() const {
  const std::size_t clients = held_.clients();
  const std::size_t cursors_to_come = clients > held_.cursors() ? clients - held_.cursors() : 0;
  return clients < clients_most_ && held_.count() + cursors_to_come + 2 + reserve_of(descriptors_most_) <= descriptors_most_;
}

void Listeners::say_too_many(int client, const char* line) const {
  char text[256];
  const int length =
      ::snprintf(text, sizeof(text), "vmline: %.64s/%s: too many clients (%zu); try again later\r\n", vm_, line, held_.clients());
  send_and_close(client, text, length);
}

void Listeners::refuse(HeldTable::Index index) {
  char line[wire::name_size];
  line_of_client(held_.entry(index).name, line);
  char text[256];
  const int length = ::snprintf(text, sizeof(text), "vmline: %.64s/%s: this client cannot be served now; try again later\r\n", vm_, line);
  send_and_close(held_.take(index), text, length);
}

void Listeners::turn_away(int listener_fd, const char* line) {
  spare_.reset();
  const int client = ::accept4(listener_fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client >= 0) say_too_many(client, line);
  spare_ = open_spare();
}

void Listeners::accept_from(Listener& listener, Moment now) {
  const HeldTable::Entry& entry = held_.entry(listener.index);
  for (int i = 0; i < per_wake_up; ++i) {
    const int client = ::accept4(entry.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN) return;
      const int number = errno;
      if (number == EMFILE || number == ENFILE) turn_away(entry.fd, line_of_listener(entry));
      log_.line("accept on %s: %s", entry.name, strerrordesc_np(number));
      listener.again = now + pause;
      return;
    }
    char name[wire::name_size];
    const int length = ::snprintf(name, sizeof(name), "%s%s:%llu", wire::client_prefix, line_of_listener(entry),
                                  static_cast<unsigned long long>(next_number_));
    const bool fits = length < static_cast<int>(sizeof(name)) && room();
    const HeldTable::Index index = fits ? held_.put(name, wire::Kind::client, client) : 0;
    if (index == 0) {
      say_too_many(client, line_of_listener(entry));
      continue;
    }
    ++next_number_;
    held_.untell(index);
  }
}

void Listeners::prepare(PollSet& set, Moment now) {
  for (int i = 0; i < count_; ++i) {
    Listener& listener = listeners_[i];
    listener.slot = PollSet::none;
    if (now < listener.again) {
      set.wake_at(listener.again);
    } else {
      listener.slot = set.add(held_.entry(listener.index).fd, POLLIN);
    }
  }
}

void Listeners::serve(const PollSet& set, Moment now) {
  for (int i = 0; i < count_; ++i) {
    if (set.happened(listeners_[i].slot) != 0) accept_from(listeners_[i], now);
  }
}

}  // namespace vmline::holder
