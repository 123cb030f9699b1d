// SPDX-License-Identifier: Apache-2.0
// The threads that touch disks, so that the loop never does: a frozen file system blocks whoever writes, creates, reads cold pages or even
// seeks there, and does not let a killed thread go. They all descend from one that has a descriptor table of its own, so that the locks
// and sockets of the loop's table are free the moment the process is killed, however long a disk thread hangs in the kernel.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"

namespace vmline::keeper {

/// Jobs come from the loop; what they leave to be done there afterwards (completions) comes back by an eventfd: asio::post from a thread
/// of another descriptor table does not wake the loop.
class DiskThreads {
 public:
  using Job = std::function<void()>;

  /// Call it before any lock or socket is opened: the first thread closes all but stdio and the eventfd in its own table.
  DiskThreads();
  /// Lets threads that have nothing to do end, and leaves those behind that hang.
  ~DiskThreads();
  DiskThreads(const DiskThreads&) = delete;
  DiskThreads& operator=(const DiskThreads&) = delete;

  /// Runs completions on this loop from now on.
  void attach(boost::asio::io_context& loop);

  /// A thread with a queue of its own, whose jobs run in order.
  class Worker {
   public:
    /// Any thread may call it.
    void run(Job job);
    /// How many jobs wait or run.
    [[nodiscard]] std::size_t waiting() const;

   private:
    friend class DiskThreads;
    struct State;
    explicit Worker(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
  };
  Worker worker();

  /// From a job: has `completion` run on the loop.
  void complete(Job completion);

  // A descriptor crosses between the loop's table and the disk threads' as a message; its tag goes with the job or the completion.
  using Tag = std::uint64_t;
  [[nodiscard]] Tag give_to_disk(int fd);        ///< on the loop; 0 for no descriptor
  [[nodiscard]] UniqueFd take_on_disk(Tag tag);  ///< in a job
  [[nodiscard]] Tag give_to_loop(int fd);        ///< in a job
  [[nodiscard]] UniqueFd take_on_loop(Tag tag);  ///< in a completion

 private:
  struct Completions;
  struct Crossing;
  void wait();
  void run_completions();

  std::shared_ptr<Completions> completions_;
  std::shared_ptr<Crossing> to_disk_;
  std::shared_ptr<Crossing> to_loop_;
  std::unique_ptr<boost::asio::posix::stream_descriptor> event_;
  std::shared_ptr<Worker::State> root_;
  std::vector<std::weak_ptr<Worker::State>> workers_;
};

}  // namespace vmline::keeper
