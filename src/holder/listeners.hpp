// SPDX-License-Identifier: Apache-2.0
// Accepts raw clients on the listeners that are held, and holds each before anyone serves it. Those for whom there is no room, neither in
// the limit nor in descriptors, are told so in a sentence: nobody who is there already notices them.
#pragma once
#include "base/unique_fd.hpp"
#include "holder/held_table.hpp"
#include "holder/log.hpp"
#include "holder/poll_set.hpp"

namespace vmline::holder {

class Listeners {
 public:
  static constexpr int most = 32;            ///< listeners at a time: one per line and some
  static constexpr int per_wake_up = 32;     ///< clients accepted from one listener before everybody else has a turn
  static constexpr Milliseconds pause{100};  ///< before a listener that cannot accept is asked again

  /// `vm` is named in the sentence to a refused client.
  Listeners(HeldTable& held, Log& log, const char* vm);

  void set_clients_most(std::size_t number) { clients_most_ = number; }
  /// Clients are numbered from here on; a number is never given twice in a VM's life.
  void set_next_number(std::uint64_t number) { next_number_ = number; }
  /// An entry of Kind listener is new or gone.
  void listen(HeldTable::Index index);
  [[nodiscard]] bool full() const { return count_ == most; }
  void forget(HeldTable::Index index);
  /// Tells a client that is held that it cannot be served, and closes it.
  void refuse(HeldTable::Index index);

  void prepare(PollSet& set, Moment now);
  void serve(const PollSet& set, Moment now);

 private:
  struct Listener {
    HeldTable::Index index = 0;
    Moment again{0};
    int slot = PollSet::none;
  };
  void accept_from(Listener& listener, Moment now);
  void turn_away(int listener_fd, const char* line);
  [[nodiscard]] bool room() const;
  void say_too_many(int client, const char* line) const;

  HeldTable& held_;
  Log& log_;
  const char* vm_;
  UniqueFd spare_;  ///< given up for a moment when the table of descriptors is full, to turn a client away
  std::size_t clients_most_;
  std::size_t descriptors_most_;
  std::uint64_t next_number_ = 1;
  Listener listeners_[most];
  int count_ = 0;
};

}  // namespace vmline::holder
