// SPDX-License-Identifier: Apache-2.0
// Decides, from counts alone, how much may be pumped into the spool, what of it may go, and when a journal that lags costs the guest a
// wait or the log a gap. No descriptor, no clock: the caller gives head, J and the time.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/units.hpp"

namespace vmline::line {

struct FlowSettings {
  std::uint64_t spool = 1u << 20;     ///< bytes kept for replay
  std::uint64_t backlog = 32u << 20;  ///< bytes the spool may grow by while the journal lags
  bool journal = true;                ///< false: the spool is all there is, and nothing is waited for
  bool block = true;                  ///< wait for the journal for at most stall_limit; false: give bytes up at once
  std::chrono::milliseconds stall_limit{5000};
};

class Flow {
 public:
  using Clock = std::chrono::steady_clock::time_point;

  struct Decision {
    Offset low = 0;              ///< what lies below may go (never less than `low` before)
    std::uint64_t room = 0;      ///< how many bytes may be pumped now; 0: the guest waits
    std::optional<Clock> until;  ///< while it waits: ask again then, at the latest
    std::uint64_t given_up = 0;  ///< bytes that the journal will lack by this decision
  };

  explicit Flow(FlowSettings settings) : settings_(settings) {}

  /// The spool holds [low, head), of which the journal has [.., journaled).
  Decision decide(Offset low, Offset head, Offset journaled, Clock now);

  /// The tmpfs is full with the spool at this size: as if the limit were what there is room for.
  Decision full(Offset low, Offset head, Offset journaled, Clock now);

  [[nodiscard]] bool stalled() const { return stalled_since_.has_value(); }
  [[nodiscard]] bool giving_up() const { return giving_up_; }

 private:
  Decision limited(Offset low, Offset head, Offset journaled, Clock now, std::uint64_t limit);

  FlowSettings settings_;
  std::optional<Clock> stalled_since_;
  bool giving_up_ = false;  ///< the stall limit was used up; no second stall until the journal has caught up
};

}  // namespace vmline::line
