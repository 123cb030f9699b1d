// SPDX-License-Identifier: Apache-2.0
// A line's journal, as the loop sees it: told how far the spool goes, it is written on a disk thread of its own. Until it is open (a frozen
// disk can make that long), and whenever the disk fails, it just lags; Flow says what that costs.
#pragma once
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "keeper/disk_threads.hpp"
#include "keeper/history.hpp"
#include "keeper/holder_link.hpp"
#include "os/journal.hpp"

namespace vmline::keeper {

class JournalThread {
 public:
  /// Opened: boots and gaps are known. (Later failures are told by state().)
  std::function<void()> on_open;
  /// Something was written, given up or failed since progress was asked for.
  std::function<void()> on_progress;

  JournalThread(boost::asio::io_context& loop, DiskThreads& disks, HolderLink& holder, os::Journal::Options options, std::string line);

  /// `kept_log`: the log's description as the holder kept it, or none. `low`, `head`: of the spool.
  void open(UniqueFd kept_log, Offset low, Offset head);

  /// The spool goes up to `head` now.
  void advance(Offset head);
  /// Before anything below `low` is punched out.
  void raise_low(Offset low) { core_->low.store(low, std::memory_order_seq_cst); }
  /// Up to where the journal has the line or knows what it lacks; the spool's `low` until it is open.
  [[nodiscard]] Offset journaled() const;
  /// Calls on_progress once, after the next step.
  void ask_progress() { core_->progress_wanted.store(true, std::memory_order_relaxed); }

  void record_boot(line::Boot boot);
  /// Bytes were lost at this offset, nobody knows how many.
  void record_loss(Offset at, std::string_view cause);
  /// After all has been journaled: ends the line cleanly. `done` is called on the loop.
  void finish(Offset end, std::function<void(Result<>)> done);

  [[nodiscard]] bool is_open() const { return open_; }
  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] const std::string& log_path() const { return log_path_; }
  [[nodiscard]] std::vector<line::Boot> boots() const;
  [[nodiscard]] line::History::GapTotals gap_totals() const;
  [[nodiscard]] std::vector<line::Gap> losses() const;
  [[nodiscard]] Offset first_kept(Offset otherwise) const;

  /// For History: reads on a disk thread.
  [[nodiscard]] History::Read reader() const;

 private:
  /// What loop and disk threads share; lives as long as any of them uses it.
  struct Core {
    explicit Core(Offset reserve) : reserve_ahead(reserve) {}
    std::unique_ptr<os::Journal> journal;  ///< set once, on the disk thread, before `ready`
    std::atomic<bool> ready{false};
    std::atomic<Offset> target{0};
    std::atomic<Offset> low{0};
    std::atomic<bool> progress_wanted{false};
    std::atomic<bool> scheduled{false};
    Offset reserved = 0, reserve_ahead;  ///< disk thread's
    std::chrono::steady_clock::time_point reserved_at;
    std::uint64_t generation_held = 0;  ///< disk thread's: the log that the holder keeps
  };
  void try_open(DiskThreads::Tag kept);
  void opened(Result<> result);
  void schedule();
  static void work(const std::shared_ptr<Core>& core, JournalThread& self, std::weak_ptr<bool> alive);
  void failed(const Error& error);
  void progressed();
  void hold_log(DiskThreads::Tag tag, std::uint64_t generation);
  void retry();

  DiskThreads& disks_;
  HolderLink& holder_;
  DiskThreads::Worker worker_;
  os::Journal::Options options_;
  std::string line_;
  std::string log_path_;
  std::shared_ptr<Core> core_;
  UniqueFd held_log_;
  bool open_ = false;
  std::string error_;
  boost::asio::steady_timer retry_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace vmline::keeper
