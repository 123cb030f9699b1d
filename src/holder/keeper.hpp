// SPDX-License-Identifier: Apache-2.0
// The keeper as a process: its birth, its end of the pair, its death, and how soon the next one is started.
#pragma once
#include "base/unique_fd.hpp"
#include "holder/child.hpp"
#include "holder/locks.hpp"
#include "holder/log.hpp"
#include "holder/poll_set.hpp"
#include "holder/watchdog.hpp"

namespace vmline::holder {

class Keeper {
 public:
  static constexpr Milliseconds short_life{1000};  ///< one that lived less makes the next one wait
  static constexpr Milliseconds first_delay{10};   ///< doubled from one short life to the next
  static constexpr Milliseconds longest_delay{1000};
  static constexpr Milliseconds patience{100};  ///< for one that was killed to end

  /// `argv` ends with a null pointer and lives as long as the holder.
  Keeper(char** argv, Log& log) : argv_(argv), log_(log) {}

  /// Starts one, or plans to try again.
  void start(const Locks& locks, Moment now);
  /// Takes a keeper over that another holder had started: first its socket, then, when it tells, its pidfd.
  void adopt(UniqueFd socket, Moment now);
  void identify(int pid, UniqueFd pidfd);

  [[nodiscard]] bool running() const { return static_cast<bool>(socket_); }
  [[nodiscard]] bool due(Moment now) const { return !running() && now >= start_at_; }
  [[nodiscard]] int socket() const { return socket_.get(); }
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  [[nodiscard]] Moment start_at() const { return start_at_; }
  /// Its number, from 1; the pid of each is another.
  [[nodiscard]] std::uint64_t number() const { return number_; }
  void set_number(std::uint64_t number) { number_ = number; }

  /// It has said something: it is there until it dies.
  void heard(Moment now) {
    watchdog.heard(now);
    there_ = true;
  }
  [[nodiscard]] bool there() const { return there_; }
  /// Since when there has been none: the last one's death, or the holder's birth.
  [[nodiscard]] Moment absent_since() const { return absent_since_; }
  void set_absent_since(Moment now) { absent_since_ = now; }

  /// It must not go on, whatever it is doing: SIGKILL. It never runs an instruction of its own again, but can take long to end when it
  /// hangs in the kernel on a frozen disk: after `patience` it counts as dead all the same (the line's lock decides, not waitpid).
  void kill(const char* why, Moment now);
  [[nodiscard]] bool leaving() const { return leaving_until_ != never; }
  [[nodiscard]] Moment leaving_until() const { return leaving_until_; }
  /// It has ended, all that it had sent has been read: closes its end and plans the next one's start.
  void bury(Moment now);
  /// A child of ours has ended: if it was this one, remembers how.
  void reaped(int pid, int status);

  Watchdog watchdog;

 private:
  [[noreturn]] void become_keeper(int socket, const Locks& locks) const;
  void plan(Milliseconds delay, Moment now);

  char** argv_;
  Log& log_;
  UniqueFd socket_;
  UniqueFd pidfd_;
  int pid_ = 0;
  int status_ = -1;
  std::uint64_t number_ = 0;
  bool there_ = false;
  const char* why_ = "has ended";
  Moment leaving_until_ = never;
  Moment born_{0};
  Moment absent_since_{0};
  Moment start_at_{0};
  Milliseconds delay_{-1};  ///< before the last start; negative: the one before it had lived long
};

}  // namespace vmline::holder
