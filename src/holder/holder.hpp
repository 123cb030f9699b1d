// SPDX-License-Identifier: Apache-2.0
// The holder: all its parts, and the loop that gives each its turn. One process per VM, small and dull, that outlives every keeper.
#pragma once
#include "holder/held_table.hpp"
#include "holder/holder_lock.hpp"
#include "holder/keeper.hpp"
#include "holder/listeners.hpp"
#include "holder/log.hpp"
#include "holder/options.hpp"
#include "holder/outbox.hpp"
#include "holder/poll_set.hpp"
#include "holder/processes.hpp"
#include "holder/pump.hpp"

namespace vmline::holder {

class Holder {
 public:
  static constexpr Milliseconds pump_after{1000};  ///< without a keeper, before lines are pumped here
  static constexpr Milliseconds drain_most{100};   ///< reading what a dead keeper had sent
  static constexpr int requests_per_wake_up = 64;

  /// `held` is an empty table in zeroed memory. `signals` tells of children's deaths; `succeeded` is the socket to a living keeper, with
  /// --succeed.
  Holder(HeldTable& held, const Options& options, const Original& original, HolderLock lock, UniqueFd signals, UniqueFd report,
         UniqueFd succeeded);

  /// Until the keeper says that the VM has ended. The exit code.
  int run();

 private:
  enum class Stage { taking_over, working, ended, failed };
  enum class Read { some, all, closed };

  void prepare(Moment now);
  void serve(Moment now);
  void reap();
  void watch_keeper(Moment now);
  void keeper_is_gone(Moment now);
  void pump(Moment now);
  void note_pump_locks();

  // requests.cpp: what the keeper asks for
  Read read_requests(int most, Moment now);
  void handle(const wire::Message& message, UniqueFd fd, Moment now);
  int hold(const wire::Message& message, UniqueFd fd);
  void drop(const char* name);
  void start(const wire::Message& message, UniqueFd record);
  int allow_pump(const wire::Message& message);
  void release_pump(const char* line);
  void take_settings(const wire::Message& message);

  Log log_;
  Original original_;
  HolderLock lock_;
  UniqueFd signals_;
  Locks locks_;
  HeldTable& held_;
  Processes processes_;
  Listeners listeners_;
  Keeper keeper_;
  Outbox outbox_;
  Pump pumps_[wire::pumps_max];
  PollSet set_;
  Stage stage_;
  int signals_slot_ = PollSet::none;
  int socket_slot_ = PollSet::none;
  int pidfd_slot_ = PollSet::none;
};

}  // namespace vmline::holder
