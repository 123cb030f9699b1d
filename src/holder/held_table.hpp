// SPDX-License-Identifier: Apache-2.0
// Every descriptor that the holder keeps, by name, and which of them the keeper has not been told of yet. A table of fixed size that
// lives in the program's zeroed memory: a page of it costs nothing until it is used.
#pragma once
#include <cstddef>
#include <cstdint>

#include "wire/holder/messages.hpp"

namespace vmline::holder {

namespace wire = vmline::wire::holder;

class HeldTable {
 public:
  /// Names an entry; 0 is none.
  using Index = std::uint32_t;

  struct Entry {
    char name[wire::name_size];
    int fd;
    wire::Kind kind;
    Index chain;  // in its bucket, or in the list of free entries
    Index untold_next;
    Index untold_previous;
    bool used;
    bool untold;
  };

  /// Takes the descriptor over. What had that name is closed. 0 when the table is full: the descriptor is the caller's still.
  Index put(const char* name, wire::Kind kind, int fd);
  [[nodiscard]] Index find(const char* name) const;
  /// The descriptor held as `name`, or -1.
  [[nodiscard]] int fd_of(const char* name) const;
  /// Closes it and forgets it.
  void drop(Index index);
  /// The same, but the descriptor is handed out instead of closed.
  int take(Index index);
  [[nodiscard]] const Entry& entry(Index index) const { return entries_[index]; }

  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::size_t clients() const { return clients_; }
  [[nodiscard]] std::size_t cursors() const { return cursors_; }

  /// A new keeper knows of nothing.
  void untell_all();
  void untell(Index index);
  void told(Index index);
  /// The next one to tell, in the order in which they came; 0 when all are told.
  [[nodiscard]] Index next_untold() const { return untold_first_; }

 private:
  static constexpr std::size_t buckets = 16384;
  static std::size_t bucket_of(const char* name);
  void count_kind(const Entry& entry, int by);

  Entry entries_[wire::held_max + 1] = {};
  Index buckets_[buckets] = {};
  Index free_ = 0;
  Index high_water_ = 0;
  Index untold_first_ = 0;
  Index untold_last_ = 0;
  std::size_t count_ = 0;
  std::size_t clients_ = 0;
  std::size_t cursors_ = 0;
};

}  // namespace vmline::holder
