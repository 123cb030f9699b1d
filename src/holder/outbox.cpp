// SPDX-License-Identifier: Apache-2.0
// What comes next, for a keeper that is being told all and for one that is told the news.
#include "holder/outbox.hpp"

#include <string.h>
#include <unistd.h>

namespace vmline::holder {

namespace {

wire::Message message_of(wire::Type type, const char* name) {
  wire::Message message;
  message.type = type;
  ::strncpy(message.name, name, sizeof(message.name) - 1);
  return message;
}

}  // namespace

void Outbox::begin(std::uint64_t keeper) {
  stop();
  keeper_ = keeper;
  active_ = true;
  ready_told_ = false;
  held_.untell_all();
  processes_.untell_all();
}

void Outbox::go_on(std::uint64_t keeper) {
  keeper_ = keeper;
  active_ = true;
  ready_told_ = true;
}

void Outbox::stop() {
  active_ = false;
  ask_ = false;
  first_ = count_ = 0;
  wants_room_ = false;
  again_ = never;
}

void Outbox::answer(wire::Type type, std::uint32_t id, std::int64_t a, std::int64_t b, Process* process) {
  if (!active_) return;
  CHECK(count_ < ring);  // a request is read only when there is room
  Answer& place = answers_[(first_ + count_++) % ring];
  place.message = message_of(type, process == nullptr ? "" : process->name);
  place.message.id = id;
  place.message.a = a;
  place.message.b = b;
  place.process = process;
}

void Outbox::started(const StartResult& result) {
  if (result.process != nullptr) return answer(wire::Type::started, result.id, result.process->pid, 0, result.process);
  const std::int64_t what = static_cast<std::int64_t>(result.step) | static_cast<std::int64_t>(result.action) << 8;
  answer(wire::Type::started, result.id, what, result.number, nullptr);
}

bool Outbox::next_answer(Next& next) {
  if (count_ == 0) return false;
  const Answer& first = answers_[first_];
  next.message = first.message;
  next.kind = Kind::answer;
  if (first.process != nullptr && first.process->pid == first.message.a) next.fd = first.process->pidfd.get();
  return true;
}

bool Outbox::next_held(Next& next, wire::Type type) {
  next.index = held_.next_untold();
  if (next.index == 0) return false;
  const HeldTable::Entry& entry = held_.entry(next.index);
  next.message = message_of(type, entry.name);
  next.message.a = static_cast<std::int64_t>(entry.kind);
  next.fd = entry.fd;
  next.kind = Kind::held;
  return true;
}

bool Outbox::next_process(Next& next) {
  next.process = processes_.next_untold(keeper_);
  if (next.process == nullptr) return false;
  next.message = message_of(wire::Type::process, next.process->name);
  next.message.a = next.process->pid;
  next.message.b = next.process->ended ? 1 : 0;
  next.fd = next.process->pidfd.get();
  next.kind = Kind::process;
  return true;
}

bool Outbox::next_end(Next& next) {
  next.process = processes_.next_untold_end();
  if (next.process == nullptr) return false;
  next.message = message_of(wire::Type::ended, next.process->name);
  next.message.a = next.process->pid;
  next.message.b = next.process->status;
  next.kind = Kind::end;
  return true;
}

bool Outbox::next(Next& next) {
  next = Next();
  if (ask_) {
    next.message = message_of(wire::Type::are_you_there, "");
    next.message.id = ++questions_;
    next.kind = Kind::ask;
    return true;
  }
  if (ready_told_) return next_answer(next) || next_end(next) || next_held(next, wire::Type::accepted);
  if (next_held(next, wire::Type::held) || next_end(next) || next_process(next)) return true;
  next.message = message_of(wire::Type::ready, "");
  next.message.a = ::getpid();
  next.message.b = static_cast<std::int64_t>(keeper_) - 1;
  next.kind = Kind::ready;
  return true;
}

void Outbox::sent(const Next& next) {
  switch (next.kind) {
    case Kind::answer:
      first_ = (first_ + 1) % ring;
      --count_;
      return;
    case Kind::held: return held_.told(next.index);
    case Kind::process: next.process->told = true; return;
    case Kind::end: next.process->told_end = true; return;
    case Kind::ready: ready_told_ = true; return;
    case Kind::ask: ask_ = false; return;
  }
}

bool Outbox::flush(int socket, Moment now) {
  wants_room_ = false;
  if (!active_ || (again_ != never && now < again_)) return true;
  again_ = never;
  Next message;
  for (int i = 0; i < messages_per_wake_up; ++i) {
    if (!next(message)) return true;
    switch (send_message(socket, message.message, message.fd)) {
      case Sent::done: sent(message); break;
      case Sent::full: wants_room_ = true; return true;
      case Sent::wait: again_ = now + pause; return true;
      case Sent::broken: return false;
    }
  }
  wants_room_ = true;
  return true;
}

}  // namespace vmline::holder
