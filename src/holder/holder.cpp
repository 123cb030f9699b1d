// SPDX-License-Identifier: Apache-2.0
// The loop: who is waited for, and in which order each has its turn.
#include "holder/holder.hpp"

#include <errno.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vmline::holder {

Holder::Holder(HeldTable& held, const Options& options, const Original& original, HolderLock lock, UniqueFd signals, UniqueFd report,
               UniqueFd succeeded)
    : original_(original),
      lock_(static_cast<HolderLock&&>(lock)),
      signals_(static_cast<UniqueFd&&>(signals)),
      held_(held),
      listeners_(held_, log_, options.vm),
      keeper_(options.keeper, log_),
      outbox_(held_, processes_),
      stage_(succeeded ? Stage::taking_over : Stage::working) {
  const Moment now = clock_now();
  locks_.holder = lock_.fd();
  lock_.wait_from(now);
  keeper_.set_absent_since(now);
  if (report) held_.put(wire::report_name, wire::Kind::plain, report.release());
  if (succeeded) {
    keeper_.adopt(static_cast<UniqueFd&&>(succeeded), now);
    outbox_.go_on(keeper_.number());
  }
}

int Holder::run() {
  Moment now = clock_now();
  while (stage_ == Stage::taking_over || stage_ == Stage::working) {
    prepare(now);
    set_.wait(now);
    now = clock_now();
    serve(now);
  }
  return stage_ == Stage::ended ? 0 : 1;
}

void Holder::prepare(Moment now) {
  set_.clear();
  signals_slot_ = set_.add(signals_.get(), POLLIN);
  lock_.prepare(set_, now);
  socket_slot_ = pidfd_slot_ = PollSet::none;
  if (keeper_.running()) {
    const short reading = outbox_.room() ? POLLIN : 0;
    const short writing = outbox_.wants_room() ? POLLOUT : 0;
    if (!keeper_.leaving()) socket_slot_ = set_.add(keeper_.socket(), static_cast<short>(reading | writing));
    set_.wake_at(keeper_.leaving_until());
    if (keeper_.pidfd() >= 0) pidfd_slot_ = set_.add(keeper_.pidfd(), POLLIN);
    set_.wake_at(outbox_.again());
  } else {
    set_.wake_at(keeper_.start_at());
  }
  processes_.prepare(set_);
  if (stage_ != Stage::working) return;
  if (keeper_.running() && !keeper_.leaving()) set_.wake_at(keeper_.watchdog.next());
  listeners_.prepare(set_, now);
  for (Pump& pump : pumps_) {
    pump.prepare(set_, held_, now);
    if (pump.allowed() && !pump.running() && !keeper_.there()) {
      const Moment due = keeper_.absent_since() + pump_after;
      set_.wake_at(pump.again() > due ? pump.again() : due);
    }
  }
}

void Holder::serve(Moment now) {
  if (!lock_.serve(now)) {
    log_.line("another holder has had the lock for %lld s: giving up", static_cast<long long>(HolderLock::patience.count() / 1000));
    stage_ = Stage::failed;
    return;
  }
  if (set_.happened(signals_slot_) != 0) reap();
  processes_.serve(set_, keeper_.number(), [this](const StartResult& result) { outbox_.started(result); });
  if (stage_ == Stage::working) listeners_.serve(set_, now);
  watch_keeper(now);
  if (stage_ == Stage::working) {
    pump(now);
    if (keeper_.due(now)) {
      keeper_.start(locks_, now);
      if (keeper_.running()) outbox_.begin(keeper_.number());
    }
  }
  if (keeper_.running() && !keeper_.leaving() && !outbox_.flush(keeper_.socket(), now)) keeper_.kill("has closed its end", now);
}

void Holder::reap() {
  signalfd_siginfo ignored;
  while (::read(signals_.get(), &ignored, sizeof(ignored)) > 0) {
  }
  int status = 0;
  for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0; pid = ::waitpid(-1, &status, WNOHANG)) {
    if (log_.reaped(pid)) continue;
    keeper_.reaped(pid, status);
    processes_.reaped(pid, status);
  }
}

void Holder::watch_keeper(Moment now) {
  if (!keeper_.running()) return;
  // Its death first of all: it may lie behind more requests than one turn reads.
  if (set_.happened(pidfd_slot_) != 0 || now >= keeper_.leaving_until()) return keeper_is_gone(now);
  if (keeper_.leaving()) return;
  const short socket = set_.happened(socket_slot_);
  if ((socket & POLLHUP) != 0) outbox_.stop();  // nobody reads answers any more; what it had sent is read as ever, `quit` among it
  if (socket != 0 && read_requests(requests_per_wake_up, now) == Read::closed) keeper_.kill("has closed its end", now);
  if (stage_ != Stage::working || keeper_.leaving()) return;
  if (keeper_.watchdog.ask(now)) outbox_.are_you_there();
  if (keeper_.watchdog.expired(now)) keeper_.kill("has not answered", now);
}

void Holder::keeper_is_gone(Moment now) {
  reap();
  outbox_.stop();
  // All that it had still sent is done first. (One that has not ended yet might go on for a moment: so not without end.)
  while (read_requests(requests_per_wake_up, now) == Read::some && stage_ != Stage::ended && clock_now() - now < drain_most) {
  }
  if (stage_ == Stage::ended) return;
  keeper_.bury(now);
  if (stage_ == Stage::taking_over) {
    log_.line("the keeper has gone before it had handed everything over");
    stage_ = Stage::failed;
  }
}

void Holder::pump(Moment now) {
  const bool alone = !keeper_.there() && now - keeper_.absent_since() >= pump_after;
  for (Pump& pump : pumps_) {
    if (!pump.allowed()) continue;
    if (alone) pump.take(held_, log_, now);
    pump.serve(set_, held_, log_, now);
  }
  note_pump_locks();
}

void Holder::note_pump_locks() {
  for (std::size_t i = 0; i < wire::pumps_max; ++i) locks_.pumps[i] = pumps_[i].lock();
}

}  // namespace vmline::holder
