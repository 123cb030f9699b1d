// SPDX-License-Identifier: Apache-2.0
// The processes that are started and watched for the keeper: the monitor, its sidecars. Their end and its status is kept until the keeper
// says that it may be forgotten; every keeper is told of all of them.
#pragma once
#include "base/unique_fd.hpp"
#include "holder/child.hpp"
#include "holder/held_table.hpp"
#include "holder/locks.hpp"
#include "holder/log.hpp"
#include "holder/poll_set.hpp"
#include "wire/holder/messages.hpp"

namespace vmline::holder {

struct Process {
  char name[wire::name_size] = {};
  bool used = false;
  bool child = false;  ///< ours: its status comes by waitpid; else only its pidfd tells
  bool ended = false;
  bool told = false;  ///< the keeper knows of it
  bool told_end = false;
  int pid = 0;
  int status = -1;
  UniqueFd pidfd;
  UniqueFd failure;  ///< read end of the pipe that exec closes; there as long as it is not known whether the start worked
  std::uint32_t start_id = 0;
  std::uint64_t starter = 0;  ///< the keeper that asked for it, by number
  int failure_slot = PollSet::none;
  int pidfd_slot = PollSet::none;
};

/// How a start ended that is not under way any more.
struct StartResult {
  Process* process = nullptr;  ///< null: it did not start
  std::uint32_t id = 0;
  wire::StartStep step{};
  std::int32_t action = 0;
  int number = 0;  ///< errno
};

class Processes {
 public:
  /// Starts what the memfd `record` says. 0: under way (a StartResult follows from serve); else an errno and in `step` what failed.
  int start(const char* name, std::uint32_t id, std::uint64_t keeper, UniqueFd record, const HeldTable& held, const Original& original,
            const Locks& locks, wire::StartStep& step);
  /// Watches a process that somebody else started. 0 or an errno.
  int watch(const char* name, int pid, UniqueFd pidfd);
  void forget(const char* name);
  /// A child of ours has ended.
  void reaped(int pid, int status);

  void prepare(PollSet& set);
  /// Calls `settled(StartResult)` for every start that is decided now.
  template <class Settled>
  void serve(const PollSet& set, std::uint64_t keeper, Settled settled) {
    for (Process& process : table_) {
      if (process.used && process.pidfd_slot != PollSet::none && set.happened(process.pidfd_slot) != 0) process.ended = true;
      if (!process.used || process.failure_slot == PollSet::none || set.happened(process.failure_slot) == 0) continue;
      const StartResult result = settle(process);
      if (process.starter == keeper) {
        settled(result);
        process.told = true;
        if (result.process == nullptr) release(process);
      } else if (result.process == nullptr && !process.told) {
        release(process);  // nobody who is still there knows of it
      }
    }
  }

  /// A new keeper knows of nothing.
  void untell_all();
  /// One that `keeper` neither knows of nor is about to be answered about.
  Process* next_untold(std::uint64_t keeper);
  Process* next_untold_end();

  static constexpr std::size_t size = wire::processes_max;
  Process& operator[](std::size_t index) { return table_[index]; }

 private:
  Process* find(const char* name);
  /// An entry for `name`: a free one, or that of one that has ended and been told. Null with `number` EEXIST or ENOSPC.
  Process* claim(const char* name, int& number);
  static void release(Process& process) { process = Process(); }
  static StartResult settle(Process& process);

  Process table_[size];
  StartPlan plan_;
};

}  // namespace vmline::holder
