// SPDX-License-Identifier: Apache-2.0
// How much may be pumped and what may go; see flow.hpp.
#include "line/flow.hpp"

#include <algorithm>

namespace vmline::line {
namespace {

/// Punches are of whole pages and worth a system call each: `low` moves in steps.
constexpr std::uint64_t step = 64u << 10;
/// How near the head the journal must be to have "caught up".
constexpr std::uint64_t caught_up = 64u << 10;
/// What is given up at a time, at the least, so that a lagging journal does not cost a system call a byte.
constexpr std::uint64_t give_up_step = 256u << 10;

}  // namespace

Flow::Decision Flow::decide(Offset low, Offset head, Offset journaled, Clock now) {
  return limited(low, head, journaled, now, settings_.spool + settings_.backlog);
}

Flow::Decision Flow::full(Offset low, Offset head, Offset journaled, Clock now) {
  // What lies in the spool is all it can hold; half of the step is left as the room that giving up makes.
  return limited(low, head, journaled, now, head - low);
}

Flow::Decision Flow::limited(Offset low, Offset head, Offset journaled, Clock now, std::uint64_t limit) {
  Decision decision;
  decision.low = low;
  if (!settings_.journal) journaled = head;
  // Old and journaled: this goes without loss.
  Offset old = head > settings_.spool ? std::min(head - settings_.spool, journaled) : 0;
  if (old >= low + step) decision.low = old / step * step;
  if (head - std::min(journaled, head) <= caught_up) giving_up_ = false;

  std::uint64_t held = head - decision.low;
  // On a full tmpfs even the replay's bytes go before the guest waits for ever, once they are journaled.
  if (held >= limit && limit < settings_.spool + settings_.backlog && journaled > decision.low) {
    decision.low = std::min(journaled, std::max(decision.low + std::min(give_up_step, held), decision.low));
    held = head - decision.low;
  }
  if (held < limit) {
    stalled_since_.reset();
    decision.room = limit - held;
    return decision;
  }
  if (settings_.block && !giving_up_) {
    if (!stalled_since_) stalled_since_ = now;
    Clock until = *stalled_since_ + settings_.stall_limit;
    if (now < until) {
      decision.until = until;
      return decision;
    }
  }
  giving_up_ = true;  // one spell, and one gap to tell, until the journal has caught up
  stalled_since_.reset();
  Offset before = decision.low;
  decision.low = std::min(head, before + std::min(std::max<std::uint64_t>(held - limit, give_up_step), std::max<std::uint64_t>(limit, 1)));
  decision.given_up = decision.low > journaled ? decision.low - std::max(before, std::min(journaled, decision.low)) : 0;
  decision.room = limit > head - decision.low ? limit - (head - decision.low) : 0;
  return decision;
}

}  // namespace vmline::line
