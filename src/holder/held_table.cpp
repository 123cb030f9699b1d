// SPDX-License-Identifier: Apache-2.0
// The table itself: entries chained into buckets by name, the free ones and the untold ones in lists of their own.
#include "holder/held_table.hpp"

#include <string.h>
#include <unistd.h>

namespace vmline::holder {

std::size_t HeldTable::bucket_of(const char* name) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (; *name != 0; ++name) hash = (hash ^ static_cast<unsigned char>(*name)) * 16777619U;
  return hash % buckets;
}

void HeldTable::count_kind(const Entry& entry, int by) {
  count_ += by;
  if (entry.kind == wire::Kind::client) clients_ += by;
  if (::strncmp(entry.name, wire::cursor_prefix, sizeof(wire::cursor_prefix) - 1) == 0) cursors_ += by;
}

HeldTable::Index HeldTable::find(const char* name) const {
  Index index = buckets_[bucket_of(name)];
  while (index != 0 && ::strcmp(entries_[index].name, name) != 0) index = entries_[index].chain;
  return index;
}

int HeldTable::fd_of(const char* name) const {
  const Index index = find(name);
  return index == 0 ? -1 : entries_[index].fd;
}

HeldTable::Index HeldTable::put(const char* name, wire::Kind kind, int fd) {
  if (const Index old = find(name); old != 0) drop(old);
  Index index = free_;
  if (index != 0) {
    free_ = entries_[index].chain;
  } else if (high_water_ < wire::held_max) {
    index = ++high_water_;
  } else {
    return 0;
  }
  Entry& entry = entries_[index];
  entry = {};
  ::strncpy(entry.name, name, sizeof(entry.name) - 1);
  entry.kind = kind;
  entry.fd = fd;
  entry.used = true;
  Index& bucket = buckets_[bucket_of(entry.name)];
  entry.chain = bucket;
  bucket = index;
  count_kind(entry, 1);
  return index;
}

int HeldTable::take(Index index) {
  Entry& entry = entries_[index];
  told(index);
  Index* link = &buckets_[bucket_of(entry.name)];
  while (*link != index) link = &entries_[*link].chain;
  *link = entry.chain;
  count_kind(entry, -1);
  entry.used = false;
  entry.chain = free_;
  free_ = index;
  return entry.fd;
}

void HeldTable::drop(Index index) { ::close(take(index)); }

void HeldTable::untell_all() {
  for (Index index = 1; index <= high_water_; ++index) {
    if (entries_[index].used) untell(index);
  }
}

void HeldTable::untell(Index index) {
  Entry& entry = entries_[index];
  if (entry.untold) return;
  entry.untold = true;
  entry.untold_next = 0;
  entry.untold_previous = untold_last_;
  (untold_last_ == 0 ? untold_first_ : entries_[untold_last_].untold_next) = index;
  untold_last_ = index;
}

void HeldTable::told(Index index) {
  Entry& entry = entries_[index];
  if (!entry.untold) return;
  entry.untold = false;
  (entry.untold_previous == 0 ? untold_first_ : entries_[entry.untold_previous].untold_next) = entry.untold_next;
  (entry.untold_next == 0 ? untold_last_ : entries_[entry.untold_next].untold_previous) = entry.untold_previous;
}

}  // namespace vmline::holder
