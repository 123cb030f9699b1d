// SPDX-License-Identifier: Apache-2.0
// The threads that touch disks; see disk_threads.hpp.
#include "keeper/disk_threads.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <future>
#include <map>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "os/seqpacket.hpp"

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

/// One direction of the crossing: a socket pair, one end in each table. Messages are taken by tag, in whatever order jobs run.
struct DiskThreads::Crossing {
  std::mutex mutex;
  UniqueFd from, into;
  Tag last = 0;
  std::map<Tag, UniqueFd> arrived;

  Crossing() {
    int pair[2];
    CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    from.reset(pair[0]);
    into.reset(pair[1]);
  }
  Tag give(int fd) {
    if (fd < 0) return 0;
    std::lock_guard lock(mutex);
    wire::holder::Message message;
    message.id = static_cast<std::uint32_t>(++last);
    // The pair's queue takes some hundred messages, and there is one for each line and each log that was replaced.
    return os::send_packet(from.get(), message, fd) == os::SendResult::sent ? last : 0;
  }
  UniqueFd take(Tag tag) {
    if (tag == 0) return {};
    std::lock_guard lock(mutex);
    while (!arrived.contains(tag)) {
      auto packet = os::receive_packet(into.get());
      if (!packet || !*packet) return {};
      arrived[(*packet)->message.id] = std::move((*packet)->descriptor);
    }
    UniqueFd fd = std::move(arrived[tag]);
    arrived.erase(tag);
    return fd;
  }
};

DiskThreads::Tag DiskThreads::give_to_disk(int fd) { return to_disk_->give(fd); }
UniqueFd DiskThreads::take_on_disk(Tag tag) { return to_disk_->take(tag); }
DiskThreads::Tag DiskThreads::give_to_loop(int fd) { return to_loop_->give(fd); }
UniqueFd DiskThreads::take_on_loop(Tag tag) { return to_loop_->take(tag); }

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

DiskThreads::DiskThreads()
    : completions_(std::make_shared<Completions>()),
      to_disk_(std::make_shared<Crossing>()),
      to_loop_(std::make_shared<Crossing>()),
      root_(std::make_shared<Worker::State>()) {
  completions_->event.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  CHECK(completions_->event);
  // Signals are the loop's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::array<int, 3> kept{completions_->event.get(), to_disk_->into.get(), to_loop_->from.get()};
  std::ranges::sort(kept);
  std::promise<void> apart;
  auto done = apart.get_future();
  std::thread([root = root_, kept, &apart] {
    CHECK(::close_range(static_cast<unsigned>(kept.back()) + 1, ~0U, CLOSE_RANGE_UNSHARE) == 0);
    unsigned first = 3;
    for (int keep : kept) {
      if (static_cast<unsigned>(keep) > first) CHECK(::close_range(first, static_cast<unsigned>(keep) - 1, 0) == 0);
      first = static_cast<unsigned>(keep) + 1;
    }
    apart.set_value();
    root->work();
  }).detach();
  done.wait();
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
  event_ = std::make_unique<boost::asio::posix::stream_descriptor>(loop, ::fcntl(completions_->event.get(), F_DUPFD_CLOEXEC, 0));
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
