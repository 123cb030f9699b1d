// SPDX-License-Identifier: Apache-2.0
// How far an interrupted write to the log came; see journal_recovery.hpp. In the names here a write of `length` bytes began at position s,
// which is note.log_size unless somebody truncated (s is less) or appended (s is more) in between, and k bytes of it arrived.
#include "line/journal_recovery.hpp"

#include <algorithm>
#include <vector>

#include "base/check.hpp"

namespace vmline::line {

namespace {

std::uint64_t less(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }

/// The lengths of the prefixes of `pattern` that `text` ends with, longest first (Knuth, Morris, Pratt).
std::vector<std::size_t> overlaps(std::span<const std::byte> text, std::span<const std::byte> pattern) {
  if (pattern.empty()) return {};
  std::vector<std::size_t> border(pattern.size() + 1, 0);  // of each prefix: its longest proper prefix that is its suffix too
  for (std::size_t i = 1, k = 0; i < pattern.size(); ++i) {
    while (k > 0 && pattern[i] != pattern[k]) k = border[k];
    if (pattern[i] == pattern[k]) ++k;
    border[i + 1] = k;
  }
  std::size_t state = 0;
  for (std::byte byte : text) {
    if (state == pattern.size()) state = border[state];
    while (state > 0 && byte != pattern[state]) state = border[state];
    if (byte == pattern[state]) ++state;
  }
  std::vector<std::size_t> lengths;
  for (; state > 0; state = border[state]) lengths.push_back(state);
  return lengths;
}

class Evidence {
 public:
  Evidence(const WriteNote& note, const LogSeen& seen, const EvidenceWindow& window, std::span<const std::byte> log,
           std::span<const std::byte> spool)
      : note_(note), seen_(seen), window_(window), log_(log), spool_(spool) {
    CHECK(log.size() == window.log_end - window.log_begin && spool.size() == window.spool.length());
    unknown_ = less(window.spool.begin, note.journaled);
    compare_old();
  }

  Recovered with_position(std::uint64_t position) {
    if (position == 0) return arrived(note_.log_size, 0);
    std::uint64_t seen_end = std::min(seen_.size, position);  // what is left of what was written ends here
    find_overlaps(seen_end);
    std::uint64_t lowest = less(position, note_.length);
    auto possible = [&](std::uint64_t s) { return s >= lowest && s < position && old_allows(s) && written_allows(s, seen_end); };
    auto answer = [&](std::uint64_t s) { return arrived(s, position - s); };
    if (possible(note_.log_size)) return answer(note_.log_size);
    if (possible(0)) return answer(0);
    for (std::size_t length : lengths_) {
      std::uint64_t s = seen_end - length - unknown_;
      if (length + unknown_ <= seen_end && possible(s)) return answer(s);
    }
    // Nothing of it is left to compare: the least that can have been written, to be written again.
    std::uint64_t s = std::min({position - 1, note_.log_size, old_differs_.value_or(position)});
    if (possible(s)) return answer(s);
    return nothing();
  }

  Recovered without_position() {
    const std::uint64_t size = seen_.size;
    const bool grown = !old_differs_ && size >= note_.log_size;  // and nothing else
    const std::uint64_t prefix = grown ? written_prefix(note_.log_size) : 0;
    if (grown && prefix == std::min(note_.length, size - note_.log_size)) return arrived(note_.log_size, prefix);
    // What was there before would do as well where it can be compared, and claims less.
    const bool only_old = !old_differs_ && size <= note_.log_size && old_compared_;
    if (!only_old && window_.log_end == size) {
      find_overlaps(size);
      auto possible = [&](std::uint64_t s) {
        return s <= note_.log_size && s + unknown_ < size && size - s <= note_.length && old_allows(s) && written_allows(s, size);
      };
      if (possible(0)) return arrived(0, size);
      for (std::size_t length : lengths_) {
        if (length + unknown_ > size || (!old_differs_ && length < sure_overlap)) break;
        if (std::uint64_t s = size - length - unknown_; possible(s)) return arrived(s, size - s);
      }
    }
    if (grown) return arrived(note_.log_size, prefix);
    return nothing();
  }

 private:
  /// A shorter overlap of log and spool can be chance, where nothing else speaks for it.
  static constexpr std::size_t sure_overlap = 16;

  [[nodiscard]] std::byte log_at(std::uint64_t position) const { return log_[position - window_.log_begin]; }

  /// Where the log stops being what it was before the write, as far as the spool still knows that.
  void compare_old() {
    std::uint64_t end = std::min(note_.log_size, window_.log_end);
    for (std::uint64_t p = window_.log_begin; p < end; ++p) {
      std::uint64_t back = note_.log_size - p;
      if (back > note_.journaled || note_.journaled - back < window_.spool.begin) continue;
      old_compared_ = true;
      if (log_at(p) == spool_[note_.journaled - back - window_.spool.begin]) continue;
      old_differs_ = p;
      return;
    }
  }
  [[nodiscard]] Recovered arrived(std::uint64_t s, std::uint64_t k) const {
    return {note_.journaled + k, s, std::min({s, note_.log_size, old_differs_.value_or(s)})};
  }
  [[nodiscard]] Recovered nothing() const { return arrived(seen_.size, 0); }

  [[nodiscard]] bool old_allows(std::uint64_t s) const { return !old_differs_ || s <= *old_differs_; }

  void find_overlaps(std::uint64_t end) {
    auto text = log_.first(less(end, window_.log_begin));
    auto pattern = spool_.subspan(std::min<std::uint64_t>(less(note_.journaled + unknown_, window_.spool.begin), spool_.size()));
    lengths_ = overlaps(text, pattern);
  }
  /// Whether the log may hold the write's first bytes from s on.
  [[nodiscard]] bool written_allows(std::uint64_t s, std::uint64_t end) const {
    if (end <= s + unknown_) return true;
    return std::ranges::binary_search(lengths_, static_cast<std::size_t>(end - s - unknown_), std::ranges::greater{});
  }
  /// How many of the write's first bytes stand in the log from s on.
  [[nodiscard]] std::uint64_t written_prefix(std::uint64_t s) const {
    std::uint64_t most = std::min(note_.length, less(window_.log_end, s));
    std::uint64_t count = std::min(unknown_, most);
    while (count < most && note_.journaled + count < window_.spool.end &&
           log_at(s + count) == spool_[note_.journaled + count - window_.spool.begin]) {
      ++count;
    }
    return count;
  }

  const WriteNote& note_;
  const LogSeen& seen_;
  const EvidenceWindow& window_;
  std::span<const std::byte> log_;
  std::span<const std::byte> spool_;
  std::uint64_t unknown_ = 0;  ///< of the write's first bytes the spool has none any more: they were given up meanwhile
  std::optional<std::uint64_t> old_differs_;
  bool old_compared_ = false;
  std::vector<std::size_t> lengths_;
};

}  // namespace

EvidenceWindow evidence_window(const WriteNote& note, const LogSeen& seen, Range spool_holds) {
  EvidenceWindow window;
  std::uint64_t end = seen.position.value_or(note.log_size + note.length);
  window.log_end = std::min(seen.size, end);
  // Where others appended so much that the write cannot have touched what was there before, that is no evidence.
  std::uint64_t from = end > note.log_size + note.length ? end : std::min(note.log_size, window.log_end);
  window.log_begin = std::min(less(from, note.length), window.log_end);
  Offset begin = less(note.journaled, less(note.log_size, window.log_begin));
  window.spool.begin = std::clamp(begin, spool_holds.begin, std::max(spool_holds.begin, spool_holds.end));
  window.spool.end = std::clamp(note.journaled + note.length, window.spool.begin, std::max(window.spool.begin, spool_holds.end));
  return window;
}

Recovered recover_write(const WriteNote& note, const LogSeen& seen, const EvidenceWindow& window, std::span<const std::byte> log,
                        std::span<const std::byte> spool) {
  if (note.length == 0) return {note.journaled, note.log_size, note.log_size};
  Evidence evidence(note, seen, window, log, spool);
  return seen.position ? evidence.with_position(*seen.position) : evidence.without_position();
}

}  // namespace vmline::line
