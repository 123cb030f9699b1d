// SPDX-License-Identifier: Apache-2.0
// What a line's log still holds, and where; see history.hpp.
#include "line/history.hpp"

#include <algorithm>
#include <type_traits>

#include "base/check.hpp"
#include "base/limits.hpp"

namespace vmline::line {

namespace {

bool same_place(const Run& a, const Run& b) {
  return a.position == b.position && a.before == b.before && a.offset == b.offset && a.inode == b.inode;
}

}  // namespace

Offset History::piece_end(std::size_t index) const { return index + 1 < pieces_.size() ? pieces_[index + 1].begin : end_; }

std::size_t History::piece_of(Offset offset) const {
  auto next = std::ranges::upper_bound(pieces_, offset, {}, &Piece::begin);
  CHECK(next != pieces_.begin());
  return static_cast<std::size_t>(next - pieces_.begin()) - 1;
}

void History::apply(const Record& record) {
  std::visit(
      [this](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (!std::is_same_v<T, End>) ended_.reset();
        if constexpr (std::is_same_v<T, Boot>) apply_boot(value);
        if constexpr (std::is_same_v<T, Gap>) apply_gap(value);
        if constexpr (std::is_same_v<T, Run>) apply_run(value);
        if constexpr (std::is_same_v<T, End>) apply_end(value);
        if constexpr (std::is_same_v<T, Ceiling>) ceiling_ = std::max(ceiling_, value.offset);
      },
      record);
}

void History::apply_boot(const Boot& boot) {
  auto at = std::ranges::lower_bound(boots_, boot.number, {}, &Boot::number);
  if (at != boots_.end() && at->number == boot.number) {
    *at = boot;
    return;
  }
  boots_.insert(at, boot);
  if (boots_.size() > limits::journal_boots) boots_.erase(boots_.begin(), boots_.begin() + limits::journal_boots / 4);
}

void History::apply_gap(const Gap& gap) {
  if (gap.range.empty()) {
    auto same = [&](const Gap& other) { return other.range == gap.range && other.cause == gap.cause; };
    if (std::ranges::any_of(losses_, same)) return;
    losses_.insert(std::ranges::upper_bound(losses_, gap.range.begin, {}, [](const Gap& other) { return other.range.begin; }), gap);
    if (losses_.size() > limits::journal_pieces) losses_.erase(losses_.begin(), losses_.begin() + limits::journal_pieces / 4);
    return;
  }
  if (open_ && gap.range.begin > end_) end_ = gap.range.begin;  // the run had come that far when the gap was noted
  lose({gap.range.begin, std::min(gap.range.end, end_)}, gap.cause, gap.time);
  if (gap.range.end <= end_) return;
  push_lost(gap.range.begin, cause_no_record, gap.time);
  push_lost(gap.range.end, gap.cause, gap.time);
}

void History::apply_run(const Run& run) {
  if (last_run_ && open_ && same_place(*last_run_, run)) return;
  if (open_ && run.offset > end_) end_ = run.offset;  // no gap was noted, so the run before had come that far
  bool other_file = last_run_ && last_run_->inode != run.inode && run.before == 0;
  cut(run.before, other_file ? cause_replaced : cause_truncated, run.time);
  open_ = false;
  forget_from(std::min(run.offset, end_));
  push_lost(run.offset, cause_no_record, run.time);
  // Where it goes on from the last piece without a seam, it is that piece.
  bool seamless = !pieces_.empty() && pieces_.back().position && *pieces_.back().position + (end_ - pieces_.back().begin) == run.position;
  if (!seamless) pieces_.push_back({run.offset, run.position, {}, {}});
  open_ = true;
  last_run_ = run;
  bound();
}

void History::apply_end(const End& end) {
  if (open_ && end.offset > end_) end_ = end.offset;
  ended_ = end;
  ceiling_ = 0;
}

void History::cut(std::uint64_t position, std::string_view cause, Time time) {
  std::size_t first = pieces_.size();
  for (std::size_t i = pieces_.size(); i-- > 0;) {
    if (!pieces_[i].position) continue;
    std::uint64_t at = *pieces_[i].position;
    if (at + (piece_end(i) - pieces_[i].begin) <= position) break;
    if (i + 1 == pieces_.size()) open_ = false;
    Piece lost{pieces_[i].begin, std::nullopt, time, std::string(cause)};
    if (at < position) {
      lost.begin += position - at;
      pieces_.insert(pieces_.begin() + static_cast<std::ptrdiff_t>(i) + 1, std::move(lost));
    } else {
      pieces_[i] = std::move(lost);
    }
    first = i;
  }
  tidy(first);
}

void History::lose(Range range, std::string_view cause, Time time) {
  if (range.empty() || pieces_.empty()) return;
  CHECK(range.end <= end_);
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    Range piece{pieces_[i].begin, piece_end(i)};
    Range lost{std::max(piece.begin, range.begin), std::min(piece.end, range.end)};
    if (!pieces_[i].position || lost.empty()) {
      pieces.push_back(pieces_[i]);
      continue;
    }
    if (piece.begin < lost.begin) pieces.push_back(pieces_[i]);
    pieces.push_back({lost.begin, std::nullopt, time, std::string(cause)});
    if (lost.end < piece.end) {
      pieces.push_back({lost.end, *pieces_[i].position + (lost.end - piece.begin), {}, {}});
    } else if (i + 1 == pieces_.size()) {
      open_ = false;
    }
  }
  pieces_ = std::move(pieces);
  tidy(0);
  bound();
}

void History::push_lost(Offset end, std::string_view cause, Time time) {
  if (end <= end_) return;
  open_ = false;
  std::size_t last = pieces_.size();
  pieces_.push_back({end_, std::nullopt, time, std::string(cause)});
  end_ = end;
  tidy(last);
  bound();
}

void History::forget_from(Offset offset) {
  while (!pieces_.empty() && pieces_.back().begin >= offset) pieces_.pop_back();
  end_ = offset;
}

/// From shortly before `from` on (a piece of no length may stand in between): what has no length goes, neighbours lost for one cause
/// become one.
void History::tidy(std::size_t from) {
  from -= std::min<std::size_t>(from, 2);
  std::size_t out = from;
  for (std::size_t i = from; i < pieces_.size(); ++i) {
    bool last = i + 1 == pieces_.size();
    if (pieces_[i].begin == piece_end(i) && !(last && open_)) continue;
    if (out > from && !pieces_[i].position && !pieces_[out - 1].position && pieces_[out - 1].cause == pieces_[i].cause) continue;
    if (out != i) pieces_[out] = std::move(pieces_[i]);
    ++out;
  }
  pieces_.resize(out);
}

void History::bound() {
  if (pieces_.size() <= limits::journal_pieces) return;
  auto rest = pieces_.begin() + limits::journal_pieces / 4;
  pieces_.erase(pieces_.begin() + 1, rest);
  pieces_.front() = {0, std::nullopt, pieces_.front().time, std::string(cause_no_record)};
  tidy(0);
}

void History::advance(Offset end) {
  if (end <= end_) return;
  CHECK(open_);
  end_ = end;
}

void History::settle(std::uint64_t size) {
  if (open_ && !ended_) {
    const Piece& last = pieces_.back();
    Offset reached = last.begin + (size > *last.position ? size - *last.position : 0);
    if (ceiling_ > 0) reached = std::min(reached, ceiling_);  // nothing is written above it: the rest is somebody else's
    end_ = std::max(end_, reached);
  }
  cut(size, cause_truncated, ended_ ? ended_->time : Time{});
}

bool History::stands_in(std::uint64_t inode, std::uint64_t size) const {
  return last_run_ && (last_run_->inode == inode || (ended_ && end_position() == size));
}

bool History::continues_at(std::uint64_t position, Offset offset) const {
  return open_ && offset == end_ && *pieces_.back().position + (end_ - pieces_.back().begin) == position;
}

bool History::agrees(std::uint64_t position, Offset offset) const {
  for (std::size_t i = pieces_.size(); i-- > 0;) {
    const Piece& piece = pieces_[i];
    if (!piece.position) continue;
    if (offset < piece.begin || position < *piece.position || position - *piece.position != offset - piece.begin) return false;
    return offset <= piece_end(i) || (open_ && i + 1 == pieces_.size());
  }
  return false;
}

std::optional<std::uint64_t> History::end_position() const {
  if (!open_) return std::nullopt;
  return *pieces_.back().position + (end_ - pieces_.back().begin);
}

Located History::locate(Offset offset) const {
  if (offset >= end_) return NotYet{};
  std::size_t index = piece_of(offset);
  const Piece& piece = pieces_[index];
  if (piece.position) return InLog{*piece.position + (offset - piece.begin), piece_end(index) - offset};
  return Lost{{piece.begin, piece_end(index)}, piece.cause};
}

Offset History::first_kept() const {
  for (const auto& piece : pieces_) {
    if (piece.position) return piece.begin;
  }
  return end_;
}

Offset History::next_start() const {
  if (ended_) return ended_->offset;
  return std::max({end_, ceiling_, boots_.empty() ? 0 : boots_.back().offset});
}

std::optional<Boot> History::boot(std::uint64_t number) const {
  auto at = std::ranges::lower_bound(boots_, number, {}, &Boot::number);
  if (at == boots_.end() || at->number != number) return std::nullopt;
  return *at;
}

std::vector<Gap> History::gaps() const {
  std::vector<Gap> found;
  auto loss = losses_.begin();
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    for (; loss != losses_.end() && loss->range.begin < pieces_[i].begin; ++loss) found.push_back(*loss);
    if (!pieces_[i].position) found.push_back({{pieces_[i].begin, piece_end(i)}, pieces_[i].time, pieces_[i].cause});
  }
  found.insert(found.end(), loss, losses_.end());
  return found;
}

History::GapTotals History::gap_totals() const {
  GapTotals totals{losses_.size(), 0};
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    if (pieces_[i].position) continue;
    ++totals.count;
    totals.bytes += piece_end(i) - pieces_[i].begin;
  }
  return totals;
}

std::vector<Record> History::records() const {
  std::vector<Record> all(boots_.begin(), boots_.end());
  all.insert(all.end(), losses_.begin(), losses_.end());
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const Piece& piece = pieces_[i];
    if (piece.position) {
      all.push_back(Run{*piece.position, *piece.position, piece.begin, last_run_->inode, last_run_->time});
    } else {
      all.push_back(Gap{{piece.begin, piece_end(i)}, piece.time, piece.cause});
    }
  }
  // A piece that has ended and that no gap follows would be taken to go on: the gap of no length that ends it is a run of no length.
  if (!pieces_.empty() && pieces_.back().position && !open_) {
    std::uint64_t position = *pieces_.back().position + (end_ - pieces_.back().begin);
    all.push_back(Run{position, position, end_, last_run_->inode, last_run_->time});
  }
  if (ended_) {
    all.push_back(*ended_);
  } else if (ceiling_ > 0) {
    all.push_back(Ceiling{ceiling_});
  }
  return all;
}

}  // namespace vmline::line
