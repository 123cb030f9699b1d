// SPDX-License-Identifier: Apache-2.0
// The table of processes, and starting one from its record.
#include "holder/processes.hpp"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vmline::holder {

namespace {

/// A start record, mapped. Sealed, so that it can neither change while it is read nor shrink under the mapping.
class MappedRecord {
 public:
  explicit MappedRecord(int memfd) {
    constexpr int seals = F_SEAL_WRITE | F_SEAL_SHRINK;
    struct stat status{};
    const int there = ::fcntl(memfd, F_GET_SEALS);
    if (there < 0 || (there & seals) != seals || ::fstat(memfd, &status) != 0) return;
    if (status.st_size <= 0 || static_cast<std::size_t>(status.st_size) > wire::start_record_max) return;
    size_ = status.st_size;
    void* place = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, memfd, 0);
    if (place != MAP_FAILED) data_ = static_cast<const std::byte*>(place);
  }
  ~MappedRecord() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  }
  MappedRecord(const MappedRecord&) = delete;
  MappedRecord& operator=(const MappedRecord&) = delete;

  /// 0 or an errno.
  int read(StartPlan& plan) const { return data_ == nullptr ? EBADMSG : read_start_record(data_, size_, plan); }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace

int Processes::start(const char* name, std::uint32_t id, std::uint64_t keeper, UniqueFd record, const HeldTable& held,
                     const Original& original, const Locks& locks, wire::StartStep& step) {
  step = wire::StartStep::record;
  if (!record) return EMFILE;
  const MappedRecord mapped(record.get());
  int number = mapped.read(plan_);
  if (number != 0) return number;
  Process* process = claim(name, number);
  if (process == nullptr) return number;

  step = wire::StartStep::child;
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return errno;
  UniqueFd read_end(pipe[0]);
  const UniqueFd write_end(pipe[1]);
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  UniqueFd pidfd;
  const int holder = ::getpid();
  const int pid = fork_with_pidfd(pidfd);
  if (pid == 0) {
    locks.close_in_child();
    become(plan_, held, original, write_end.get(), holder);
  }
  if (pid < 0) return errno;

  *process = Process();
  ::strncpy(process->name, name, sizeof(process->name) - 1);
  process->used = true;
  process->child = true;
  process->pid = pid;
  process->pidfd = static_cast<UniqueFd&&>(pidfd);
  process->failure = static_cast<UniqueFd&&>(read_end);
  process->start_id = id;
  process->starter = keeper;
  return 0;
}

StartResult Processes::settle(Process& process) {
  StartResult result{&process, process.start_id, {}, 0, 0};
  ChildFailure failure{};
  // Nothing in it and closed: by exec, or by the child's death before it, which its end will tell.
  if (::read(process.failure.get(), &failure, sizeof(failure)) == sizeof(failure)) {
    result = {nullptr, process.start_id, failure.step, failure.action, failure.number};
  }
  process.failure.reset();
  process.failure_slot = PollSet::none;
  return result;
}

int Processes::watch(const char* name, int pid, UniqueFd pidfd) {
  if (!pidfd) return EMFILE;
  int number = 0;
  Process* process = claim(name, number);
  if (process == nullptr) return number;
  *process = Process();
  ::strncpy(process->name, name, sizeof(process->name) - 1);
  process->used = true;
  process->pid = pid;
  process->pidfd = static_cast<UniqueFd&&>(pidfd);
  process->told = true;
  return 0;
}

void Processes::forget(const char* name) {
  // One whose start is under way stays until that is answered.
  if (Process* process = find(name); process != nullptr && !process->failure) release(*process);
}

void Processes::reaped(int pid, int status) {
  for (Process& process : table_) {
    if (!process.used || !process.child || process.ended || process.pid != pid) continue;
    process.ended = true;
    process.status = status;
    return;
  }
}

void Processes::prepare(PollSet& set) {
  for (Process& process : table_) {
    process.failure_slot = process.used && process.failure ? set.add(process.failure.get(), POLLIN) : PollSet::none;
    const bool by_pidfd = process.used && !process.child && !process.ended;
    process.pidfd_slot = by_pidfd ? set.add(process.pidfd.get(), POLLIN) : PollSet::none;
  }
}

void Processes::untell_all() {
  for (Process& process : table_) process.told = process.told_end = false;
}

Process* Processes::next_untold(std::uint64_t keeper) {
  for (Process& process : table_) {
    if (process.used && !process.told && !(process.failure && process.starter == keeper)) return &process;
  }
  return nullptr;
}

Process* Processes::next_untold_end() {
  for (Process& process : table_) {
    if (process.used && process.told && process.ended && !process.told_end && !process.failure) return &process;
  }
  return nullptr;
}

Process* Processes::find(const char* name) {
  for (Process& process : table_) {
    if (process.used && ::strcmp(process.name, name) == 0) return &process;
  }
  return nullptr;
}

Process* Processes::claim(const char* name, int& number) {
  if (Process* old = find(name); old != nullptr) {
    number = EEXIST;
    return old->ended && old->told_end ? old : nullptr;
  }
  for (Process& process : table_) {
    if (!process.used) return &process;
  }
  number = ENOSPC;
  return nullptr;
}

}  // namespace vmline::holder
