// SPDX-License-Identifier: Apache-2.0
// The threads that touch disks; see disk_threads.hpp.
#include "keeper/disk_threads.hpp"

#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "base/check.hpp"

namespace vmline::keeper {

struct DiskThreads::Worker::State {
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> jobs;
  bool busy = false;
  bool ended = false;

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait(lock, [this] { return ended || !jobs.empty(); });
      if (jobs.empty()) return;
      Job job = std::move(jobs.front());
      jobs.pop_front();
      busy = true;
      lock.unlock();
      job();
      job = nullptr;
      lock.lock();
      busy = false;
    }
  }
};

struct DiskThreads::Completions {
  std::mutex mutex;
  std::vector<Job> jobs;
  UniqueFd event;
};

void DiskThreads::Worker::run(Job job) {
  {
    std::lock_guard lock(state_->mutex);
    state_->jobs.push_back(std::move(job));
  }
  state_->wake.notify_one();
}

std::size_t DiskThreads::Worker::waiting() const {
  std::lock_guard lock(state_->mutex);
  return state_->jobs.size() + (state_->busy ? 1 : 0);
}

DiskThreads::DiskThreads() : completions_(std::make_shared<Completions>()), root_(std::make_shared<Worker::State>()) {
  completions_->event.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  CHECK(completions_->event);
  // Signals are the loop's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([root = root_, event = completions_->event.get()] {
    unsigned above = static_cast<unsigned>(event) + 1;
    CHECK(::close_range(above, ~0U, CLOSE_RANGE_UNSHARE) == 0);
    if (event > 3) CHECK(::close_range(3, static_cast<unsigned>(event) - 1, 0) == 0);
    root->work();
  }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

DiskThreads::~DiskThreads() {
  workers_.push_back(root_);
  for (auto& weak : workers_) {
    if (auto state = weak.lock()) {
      std::lock_guard lock(state->mutex);
      state->ended = true;
      state->wake.notify_all();
    }
  }
}

DiskThreads::Worker DiskThreads::worker() {
  auto state = std::make_shared<Worker::State>();
  workers_.push_back(state);
  // The new thread is a child of the root thread, and so has its descriptor table.
  Worker(root_).run([state] { std::thread([state] { state->work(); }).detach(); });
  return Worker(state);
}

void DiskThreads::attach(boost::asio::io_context& loop) {
  event_ = std::make_unique<boost::asio::posix::stream_descriptor>(loop, ::dup(completions_->event.get()));
  wait();
}

void DiskThreads::wait() {
  event_->async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code error) {
    if (error) return;
    std::uint64_t count = 0;
    (void)!::read(event_->native_handle(), &count, sizeof count);
    run_completions();
    wait();
  });
}

void DiskThreads::run_completions() {
  std::vector<Job> jobs;
  {
    std::lock_guard lock(completions_->mutex);
    jobs.swap(completions_->jobs);
  }
  for (Job& job : jobs) job();
}

void DiskThreads::complete(Job completion) {
  {
    std::lock_guard lock(completions_->mutex);
    completions_->jobs.push_back(std::move(completion));
  }
  std::uint64_t one = 1;
  (void)!::write(completions_->event.get(), &one, sizeof one);
}

}  // namespace vmline::keeper
