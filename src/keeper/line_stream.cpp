// SPDX-License-Identifier: Apache-2.0
// An API client's place on a line; see line_stream.hpp.
#include "keeper/line_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/limits.hpp"

namespace vmline::keeper {
namespace {
/// Bytes handed out at a time: one WebSocket message.
constexpr std::size_t piece = 64u << 10;
}  // namespace

LineStream::LineStream(Line& line, const StreamRequest& request, Offset start)
    : line_(&line),
      who_(fmt::format("{},stream={}", request.who, ++line.streams_opened_)),  // a gateway has many in one process
      read_only_(request.read_only),
      position_(start),
      replay_end_(line.spool_.head()),
      next_boot_(0),
      losses_told_(start),
      wake_(line.shared_.loop) {
  // A boot that begins exactly here is told, those before are not.
  auto boot = std::ranges::lower_bound(line.boots_, start, {}, &line::Boot::offset);
  next_boot_ = boot != line.boots_.end() ? boot->number : line.boots_.empty() ? 1 : line.boots_.back().number + 1;
  wake_.expires_at(asio::steady_timer::time_point::max());
  items_.emplace_back(Opened{start, replay_end_, line.boot_at(start)});
  line.streams_.insert(this);
}

LineStream::~LineStream() {
  if (!line_) return;
  line_->streams_.erase(this);
  line_->input_.leave(who_);
}

void LineStream::writer_changed(const std::string& writer) {
  // Somebody who does not read must not make this grow.
  if (items_.size() < 64) items_.emplace_back(WriterChanged{writer, !writer.empty() && writer == who_});
  wake();
}

std::optional<StreamItem> LineStream::due_boot() {
  auto boot = std::ranges::lower_bound(line_->boots_, next_boot_, {}, &line::Boot::number);
  if (boot == line_->boots_.end() || boot->offset > position_) return std::nullopt;
  next_boot_ = boot->number + 1;
  return BootBegan{boot->number, boot->offset, boot->time, boot->cause};
}

const line::Gap* LineStream::next_loss() const {
  auto loss = std::ranges::lower_bound(line_->losses_, losses_told_, {}, [](const line::Gap& one) { return one.range.begin; });
  return loss == line_->losses_.end() ? nullptr : &*loss;
}

std::optional<StreamItem> LineStream::due_loss() {
  const line::Gap* loss = next_loss();
  if (!loss || loss->range.begin > position_) return std::nullopt;
  losses_told_ = loss->range.begin + 1;
  return Gap{loss->range, loss->cause};
}

std::optional<StreamItem> LineStream::look() {
  if (!items_.empty()) {
    StreamItem item = std::move(items_.front());
    items_.pop_front();
    return item;
  }
  if (gap_.range.empty()) {
    if (auto loss = due_loss()) return loss;
    if (auto boot = due_boot()) return boot;
    if (!replay_ended_ && position_ >= replay_end_) {
      replay_ended_ = true;
      return ReplayEnded{position_};
    }
  }
  Offset end = line_->spool_.head();
  while (position_ < line_->spool_.low()) {
    auto answer = line_->history_.at(position_, line_->spool_.low(), [this, alive = std::weak_ptr<bool>(alive_)] {
      if (!alive.expired()) wake();
    });
    if (auto* filled = std::get_if<History::Filled>(&answer)) {
      end = filled->end;
      break;
    }
    if (std::holds_alternative<History::Pending>(answer)) {
      std::vector<std::byte>().swap(buffer_);
      return std::nullopt;
    }
    // Losses that join on to each other are one gap, as it is told, also when the next one has to be waited for.
    auto& loss = std::get<HistoryLoss>(answer);
    if (gap_.range.empty()) gap_ = {{position_, position_}, loss.cause};
    if (gap_.cause != loss.cause) return std::exchange(gap_, {});
    position_ = std::max(loss.range.end, position_ + 1);
    gap_.range.end = position_;
  }
  if (!gap_.range.empty()) return std::exchange(gap_, {});
  if (!replay_ended_) end = std::min(end, replay_end_);
  auto boot = std::ranges::lower_bound(line_->boots_, next_boot_, {}, &line::Boot::number);
  if (boot != line_->boots_.end()) end = std::min(end, boot->offset);
  if (const line::Gap* loss = next_loss()) end = std::min(end, loss->range.begin);
  if (position_ < end) {
    buffer_.resize(std::min<std::size_t>(end - position_, piece));
    auto n = line_->spool_.read(position_, buffer_);
    if (n && *n > 0) {
      Bytes bytes{position_, std::span<const std::byte>(buffer_).first(*n)};
      position_ += *n;
      return bytes;
    }
  }
  if (!line_->closing_.empty() && position_ >= line_->spool_.head()) {
    closed_ = true;
    return Closing{line_->closing_};
  }
  // An idle client costs no buffer.
  if (buffer_.capacity() > 0) std::vector<std::byte>().swap(buffer_);
  return std::nullopt;
}

asio::awaitable<StreamItem> LineStream::next() {
  while (true) {
    if (!line_ || closed_) co_return Closing{"the keeper ends"};
    if (auto item = look()) co_return std::move(*item);
    boost::system::error_code ignored;  // cancelled by wake(); a terminal cancellation makes the next co_await throw
    co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    wake_.expires_at(asio::steady_timer::time_point::max());
  }
}

asio::awaitable<Result<>> LineStream::type(std::span<const std::byte> data) {
  asio::steady_timer pause(wake_.get_executor());
  while (!data.empty()) {
    if (!line_) co_return fail("the keeper ends", ErrorKind::conflict);
    if (read_only_) co_return fail("this connection was opened read-only", ErrorKind::conflict);
    if (!line_->input_.may_type(who_))
      co_return fail(line_->input_.writer() + " is typing here; take the line over to type", ErrorKind::conflict);
    std::size_t now = std::min(data.size(), line_->input_.room());
    if (now > 0) {
      auto typed = line_->input_.type(who_, data.first(now));
      if (!typed) co_return typed;
      data = data.subspan(now);
      continue;
    }
    // The guest reads slowly; typing is rare, so a look every 20 ms is cheaper than a list of those who wait.
    pause.expires_after(std::chrono::milliseconds(20));
    co_await pause.async_wait(asio::use_awaitable);
  }
  co_return Result<>{};
}

Result<> LineStream::take() {
  if (!line_) return fail("the keeper ends", ErrorKind::conflict);
  if (read_only_) return fail("this connection was opened read-only", ErrorKind::conflict);
  line_->input_.take(who_);
  return {};
}

}  // namespace vmline::keeper
