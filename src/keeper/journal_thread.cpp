// SPDX-License-Identifier: Apache-2.0
// A line's journal, as the loop sees it; see journal_thread.hpp.
#include "keeper/journal_thread.hpp"

#include <algorithm>
#include <chrono>

#include "base/limits.hpp"

namespace vmline::keeper {
namespace {
/// How far ahead offsets are reserved in the index, which costs a sync; renewed when half is used up. A power loss leaves a gap as large
/// as what was reserved in vain: so little while little is sent, more in a flood.
constexpr Offset reserve_least = 1u << 20;
constexpr Offset reserve_most = 256u << 20;
constexpr std::chrono::seconds reserve_soon{2};
constexpr std::chrono::milliseconds retry_after{250};
}  // namespace

JournalThread::JournalThread(boost::asio::io_context& loop, DiskThreads& disks, HolderLink& holder, os::Journal::Options options,
                             std::string line)
    : disks_(disks),
      holder_(holder),
      worker_(disks.worker()),
      options_(std::move(options)),
      line_(std::move(line)),
      log_path_(options_.log_path),
      core_(std::make_shared<Core>(reserve_least)),
      retry_(loop) {}

void JournalThread::open(UniqueFd kept_log, Offset low, Offset head) {
  core_->low = low;
  core_->target = head;
  held_log_ = std::move(kept_log);
  if (held_log_) holder_.adopt("journal:" + line_, held_log_.get(), wire::holder::Kind::plain);
  try_open(disks_.give_to_disk(held_log_.get()));
}

void JournalThread::try_open(DiskThreads::Tag kept) {
  worker_.run([this, kept, core = core_, options = options_, alive = std::weak_ptr<bool>(alive_)] {
    UniqueFd log = disks_.take_on_disk(kept);
    bool was_kept = static_cast<bool>(log);
    auto journal = os::Journal::open(options, std::move(log));
    Result<> result;
    DiskThreads::Tag tag = 0;
    std::uint64_t generation = 0;
    if (!journal) {
      result = std::unexpected(journal.error());
    } else {
      core->journal = std::move(*journal);
      generation = core->journal->log_generation();
      // What was kept may have been another file's, and is let go then: what is open now is held first.
      core->generation_held = was_kept && generation == 0 ? generation : ~std::uint64_t{0};
      tag = disks_.give_to_loop(core->journal->log_fd());
      core->ready.store(true, std::memory_order_release);
    }
    disks_.complete([this, result, tag, generation, alive] {
      if (alive.expired()) return;
      if (result) hold_log(tag, generation);
      opened(result);
    });
  });
}

void JournalThread::opened(Result<> result) {
  if (!result) {
    error_ = result.error().sentence();
    if (on_progress) on_progress();
    // A read-only disk, a folder that somebody moved away: it may come back, and the spool keeps what it can until then.
    retry_.expires_after(retry_after);
    retry_.async_wait([this](boost::system::error_code error) {
      if (!error) try_open(disks_.give_to_disk(held_log_.get()));
    });
    return;
  }
  open_ = true;
  error_.clear();
  if (on_open) on_open();
}

void JournalThread::hold_log(DiskThreads::Tag tag, std::uint64_t generation) {
  UniqueFd log = disks_.take_on_loop(tag);
  if (!log) return retry();
  holder_.hold("journal:" + line_, log.get(), wire::holder::Kind::plain, [this, generation, alive = std::weak_ptr<bool>(alive_)](int) {
    if (alive.expired()) return;
    // Only now may it be written: the position of this very description is evidence for whoever comes after a SIGKILL.
    worker_.run([this, core = core_, generation, alive] {
      core->generation_held = generation;
      // Here and not by schedule(): work that was scheduled before has just come and gone with nothing held.
      work(core, *this, alive);
    });
  });
  held_log_ = std::move(log);
}

void JournalThread::advance(Offset head) {
  core_->target.store(head, std::memory_order_release);
  schedule();
}

void JournalThread::schedule() {
  if (!core_->ready.load(std::memory_order_acquire) || core_->scheduled.exchange(true)) return;
  worker_.run([this, core = core_, alive = std::weak_ptr<bool>(alive_)] { work(core, *this, alive); });
}

// On the disk thread; `self` only within completions, and for disks_, which outlives every worker.
void JournalThread::work(const std::shared_ptr<Core>& core, JournalThread& self, std::weak_ptr<bool> alive) {
  core->scheduled.store(false);
  os::Journal& journal = *core->journal;
  Result<> result;
  while (journal.journaled() < core->target.load(std::memory_order_acquire) && core->generation_held == journal.log_generation()) {
    Offset target = core->target.load(std::memory_order_acquire);
    if (target + core->reserve_ahead / 2 > core->reserved) {
      auto now = std::chrono::steady_clock::now();
      core->reserve_ahead = now - core->reserved_at < reserve_soon ? std::min(core->reserve_ahead * 2, reserve_most) : reserve_least;
      core->reserved_at = now;
      core->reserved = target + core->reserve_ahead;
      result = journal.reserve(core->reserved);
      if (!result) core->reserved = 0;
    }
    auto written = journal.append(target, core->low);
    if (!written) {
      result = std::unexpected(written.error());
      break;
    }
    result = Result<>{};
    if (core->generation_held != journal.log_generation()) break;
  }
  if (core->generation_held != journal.log_generation() && core->generation_held != ~std::uint64_t{0}) {
    core->generation_held = ~std::uint64_t{0};
    self.disks_.complete([&self, alive, tag = self.disks_.give_to_loop(journal.log_fd()), generation = journal.log_generation()] {
      if (!alive.expired()) self.hold_log(tag, generation);
    });
  }
  if (!result) {
    self.disks_.complete([&self, alive, error = result.error()] {
      if (!alive.expired()) self.failed(error);
    });
  } else if (core->progress_wanted.exchange(false)) {
    self.disks_.complete([&self, alive] {
      if (!alive.expired()) self.progressed();
    });
  }
}

void JournalThread::failed(const Error& error) {
  error_ = error.sentence();
  if (on_progress) on_progress();
  retry();
}

void JournalThread::retry() {
  retry_.expires_after(retry_after);
  retry_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    ask_progress();
    schedule();
  });
}

void JournalThread::progressed() {
  error_.clear();
  if (on_progress) on_progress();
}

Offset JournalThread::journaled() const {
  return core_->ready.load(std::memory_order_acquire) ? core_->journal->journaled() : core_->low.load();
}

void JournalThread::record_boot(line::Boot boot) {
  worker_.run([core = core_, boot = std::move(boot)] {
    // What cannot be recorded on a full disk is known for as long as the keeper's own state is.
    if (core->journal) (void)core->journal->record_boot(boot);
  });
}

void JournalThread::record_loss(Offset at, std::string_view cause) {
  worker_.run([core = core_, at, cause = std::string(cause)] {
    if (core->journal) (void)core->journal->record_loss(at, cause);
  });
}

void JournalThread::finish(Offset end, std::function<void(Result<>)> done) {
  worker_.run([this, core = core_, end, done = std::move(done), alive = std::weak_ptr<bool>(alive_)] {
    Result<> result = core->journal ? core->journal->record_end(end) : fail("the journal could not be opened");
    disks_.complete([result, done, alive] {
      if (!alive.expired()) done(result);
    });
  });
}

std::vector<line::Boot> JournalThread::boots() const { return open_ ? core_->journal->boots() : std::vector<line::Boot>{}; }
line::History::GapTotals JournalThread::gap_totals() const { return open_ ? core_->journal->gap_totals() : line::History::GapTotals{}; }
std::vector<line::Gap> JournalThread::losses() const { return open_ ? core_->journal->losses() : std::vector<line::Gap>{}; }
Offset JournalThread::first_kept(Offset otherwise) const { return open_ ? core_->journal->first_kept() : otherwise; }

History::Read JournalThread::reader() const {
  return [core = core_](Offset from, Offset at, Offset to) -> HistoryResult {
    if (!core->ready.load(std::memory_order_acquire)) return HistoryLater{};
    HistoryBytes bytes{from, {}};
    while (bytes.begin + bytes.data.size() < to) {
      Offset next = bytes.begin + bytes.data.size();
      std::size_t had = bytes.data.size();
      bytes.data.resize(static_cast<std::size_t>(to - bytes.begin));
      auto result = core->journal->read(next, std::as_writable_bytes(std::span(bytes.data)).subspan(had));
      std::size_t got = result && std::holds_alternative<os::ReadBytes>(*result) ? std::get<os::ReadBytes>(*result).length : 0;
      bytes.data.resize(had + got);
      if (got > 0) continue;
      if (next > at) return bytes;  // as far as it goes
      if (!result) return HistoryLater{};
      // Where the journal does not say yet, all that the spool has let go of is lost.
      Range lost{next, std::max(to, core->low.load())};
      std::string cause(line::cause_behind);
      if (auto* known = std::get_if<line::Lost>(&*result)) {
        lost = known->range;
        cause = known->cause;
      }
      if (lost.end <= at && lost.end > next) {
        bytes = {lost.end, {}};
        continue;
      }
      return HistoryLoss{{at, std::max(lost.end, at + 1)}, cause};
    }
    return bytes;
  };
}

}  // namespace vmline::keeper
