// SPDX-License-Identifier: Apache-2.0
// What the keeper asks of the holder, one message each.
#include <errno.h>
#include <string.h>

#include "base/limits.hpp"
#include "holder/holder.hpp"

namespace vmline::holder {

namespace {

/// A line's name: short enough that every name made of it fits.
bool is_line(const char* name) { return *name != 0 && ::strchr(name, ':') == nullptr && ::strlen(name) <= limits::line_name; }

bool begins_with(const char* name, const char* prefix) { return ::strncmp(name, prefix, ::strlen(prefix)) == 0; }

}  // namespace

/// Reads and does at most `most` requests.
Holder::Read Holder::read_requests(int most, Moment now) {
  wire::Message message;
  for (int i = 0; i < most && outbox_.room(); ++i) {
    UniqueFd fd;
    switch (receive_message(keeper_.socket(), message, fd)) {
      case Received::message:
        handle(message, static_cast<UniqueFd&&>(fd), now);
        if (stage_ == Stage::ended) return Read::all;
        break;
      case Received::malformed: log_.line("a message that is none came from the keeper"); break;
      case Received::reset: break;
      case Received::nothing: return Read::all;
      case Received::closed: return Read::closed;
    }
  }
  return Read::some;
}

void Holder::handle(const wire::Message& message, UniqueFd fd, Moment now) {
  if (message.major != wire::version_major) {
    log_.line("a message of version %d came from the keeper", message.major);
    return;
  }
  keeper_.heard(now);
  const char* name = message.name;
  switch (message.type) {
    case wire::Type::hold: return outbox_.done(message.id, hold(message, static_cast<UniqueFd&&>(fd)));
    case wire::Type::drop: return drop(name);
    case wire::Type::refuse:
      if (const HeldTable::Index index = held_.find(name); index != 0 && held_.entry(index).kind == wire::Kind::client)
        listeners_.refuse(index);
      return;
    case wire::Type::start: return start(message, static_cast<UniqueFd&&>(fd));
    case wire::Type::watch:
      return outbox_.done(message.id, processes_.watch(name, static_cast<int>(message.a), static_cast<UniqueFd&&>(fd)));
    case wire::Type::forget: return processes_.forget(name);
    case wire::Type::ping: return outbox_.pong(message.id);
    case wire::Type::pump: return outbox_.done(message.id, allow_pump(message));
    case wire::Type::release_pump: release_pump(name); return outbox_.done(message.id, 0);
    case wire::Type::settings: take_settings(message); return outbox_.done(message.id, 0);
    case wire::Type::keeper:
      if (!fd) return outbox_.done(message.id, EMFILE);
      if (stage_ != Stage::taking_over) return outbox_.done(message.id, EINVAL);
      keeper_.identify(static_cast<int>(message.a), static_cast<UniqueFd&&>(fd));
      listeners_.set_next_number(message.b > 0 ? static_cast<std::uint64_t>(message.b) : 1);
      return outbox_.done(message.id, 0);
    case wire::Type::succeed:
      if (stage_ != Stage::taking_over) return outbox_.done(message.id, EINVAL);
      keeper_.set_number(message.b > 0 ? static_cast<std::uint64_t>(message.b) + 1 : 1);
      outbox_.go_on(keeper_.number());
      stage_ = Stage::working;
      return outbox_.done(message.id, 0);
    case wire::Type::quit: stage_ = Stage::ended; return;
    default: return;  // `here`, and what a newer keeper knows and we do not
  }
}

int Holder::hold(const wire::Message& message, UniqueFd fd) {
  if (!fd) return EMFILE;
  const wire::Kind kind = static_cast<wire::Kind>(message.a);
  if (message.a < 0 || message.a > static_cast<std::int64_t>(wire::Kind::client) || message.name[0] == 0) return EINVAL;
  if (kind == wire::Kind::listener &&
      !(begins_with(message.name, wire::listener_prefix) && is_line(message.name + sizeof(wire::listener_prefix) - 1))) {
    return EINVAL;
  }
  if (kind == wire::Kind::client && !begins_with(message.name, wire::client_prefix)) return EINVAL;
  drop(message.name);
  if (kind == wire::Kind::listener && listeners_.full()) return ENOSPC;
  const HeldTable::Index index = held_.put(message.name, kind, fd.get());
  if (index == 0) return ENOSPC;
  [[maybe_unused]] const int taken = fd.release();
  if (kind == wire::Kind::listener) listeners_.listen(index);
  return 0;
}

void Holder::drop(const char* name) {
  const HeldTable::Index index = held_.find(name);
  if (index == 0) return;
  if (held_.entry(index).kind == wire::Kind::listener) listeners_.forget(index);
  held_.drop(index);
}

void Holder::start(const wire::Message& message, UniqueFd record) {
  StartResult failed;
  failed.id = message.id;
  failed.number = message.name[0] == 0 ? EINVAL
                                       : processes_.start(message.name, message.id, keeper_.number(), static_cast<UniqueFd&&>(record),
                                                          held_, original_, locks_, failed.step);
  if (failed.number == 0) return;
  if (message.name[0] == 0) failed.step = wire::StartStep::record;
  outbox_.started(failed);
}

int Holder::allow_pump(const wire::Message& message) {
  if (!is_line(message.name) || message.a < 0 || message.b < 0) return EINVAL;
  Pump* place = nullptr;
  for (Pump& pump : pumps_) {
    if (pump.is(message.name)) place = &pump;
    if (place == nullptr && !pump.allowed()) place = &pump;
  }
  if (place == nullptr) return ENOSPC;
  place->allow(message.name, static_cast<std::uint64_t>(message.a), Milliseconds(message.b));
  return 0;
}

void Holder::release_pump(const char* line) {
  for (Pump& pump : pumps_) {
    if (pump.allowed() && pump.is(line)) pump.release();
  }
  note_pump_locks();
}

void Holder::take_settings(const wire::Message& message) {
  constexpr std::int64_t hour = 3'600'000;
  if (message.a >= 0) keeper_.watchdog.set_limit(Milliseconds(message.a < hour ? message.a : hour));
  if (message.b >= 0) listeners_.set_clients_most(static_cast<std::size_t>(message.b));
}

}  // namespace vmline::holder
