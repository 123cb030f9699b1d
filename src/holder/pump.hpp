// SPDX-License-Identifier: Apache-2.0
// The pump of last resort: moves one line's bytes into its spool when no keeper has been there for a second, so that no guest waits for us
// for longer than its stall limit. The count of what it moved is the spool's size, which the kernel keeps: it can be killed anywhere.
#pragma once
#include <cstdint>

#include "base/unique_fd.hpp"
#include "holder/held_table.hpp"
#include "holder/log.hpp"
#include "holder/poll_set.hpp"

namespace vmline::holder {

class Pump {
 public:
  static constexpr std::size_t piece = 256u << 10;  ///< bytes moved, or given up, by one call
  static constexpr int pieces_per_wake_up = 8;
  static constexpr Milliseconds retry{100};      ///< when the tmpfs has no room, or when the line cannot be taken yet
  static constexpr Milliseconds lock_retry{10};  ///< a keeper that is being killed lets its lock go within milliseconds

  void allow(const char* line, std::uint64_t backlog, Milliseconds stall_limit);
  [[nodiscard]] bool allowed() const { return line_[0] != 0; }
  [[nodiscard]] bool is(const char* line) const;
  [[nodiscard]] bool running() const { return static_cast<bool>(spool_); }
  /// The description by which it has the line's lock, or -1.
  [[nodiscard]] int lock() const { return spool_.get(); }

  /// Takes the line's lock and begins, or tries again later.
  void take(const HeldTable& held, Log& log, Moment now);
  /// Stops and lets the lock go.
  void release();

  void prepare(PollSet& set, const HeldTable& held, Moment now);
  void serve(const PollSet& set, const HeldTable& held, Log& log, Moment now);
  [[nodiscard]] Moment again() const { return again_; }

 private:
  enum class Moved { some, nothing, no_room, broken };

  bool open_all(const HeldTable& held);
  [[nodiscard]] int source(const HeldTable& held) const;
  Moved move(const HeldTable& held, std::size_t most);
  Moved splice(int from, int to, std::size_t most);
  bool make_room(Moment now);
  bool give_up_oldest();

  char line_[wire::name_size] = {};
  std::uint64_t backlog_ = 0;
  Milliseconds stall_limit_{0};

  UniqueFd spool_;  ///< an open of its own: the line's lock is on it
  UniqueFd fifo_;   ///< an open of its own; none on a dialled line
  UniqueFd note_;
  std::uint64_t size_ = 0;   ///< the spool's: the line's head
  std::uint64_t low_ = 0;    ///< the spool holds [low, size)
  std::uint64_t limit_ = 0;  ///< bytes it may hold
  Moment full_since_ = never;
  bool giving_up_ = false;  ///< the one stall is over; there is no second
  bool upstream_ended_ = false;
  Moment again_{0};
  int slot_ = PollSet::none;
};

}  // namespace vmline::holder
