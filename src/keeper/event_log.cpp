// SPDX-License-Identifier: Apache-2.0
// The event log; see event_log.hpp.
#include "keeper/event_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <utility>

#include "base/limits.hpp"
#include "keeper/control_json.hpp"
#include "os/files.hpp"
#include "wire/api/json_reader.hpp"
#include "wire/api/time.hpp"

namespace vmline::keeper {
namespace {

constexpr std::uint64_t file_max = 2 * limits::events_bytes;

/// The event that a line of the file tells, or nothing where it is none.
std::optional<Event> read_event(std::string_view line) {
  auto value = api::parse_json(line, limits::event_bytes);
  json::object* object = value ? value->if_object() : nullptr;
  if (!object) return std::nullopt;
  const json::value* sequence = object->if_contains("sequence");
  const json::value* time = object->if_contains("time");
  const json::value* type = object->if_contains("type");
  // Boost.JSON reads a number as signed where it fits.
  if (!sequence || !sequence->is_int64() || sequence->get_int64() < 1 || sequence->get_int64() == INT64_MAX) return std::nullopt;
  if (!time || !time->is_string() || !type || !type->is_string()) return std::nullopt;
  auto when = api::parse_time(time->get_string());
  if (!when) return std::nullopt;
  Event event{static_cast<std::uint64_t>(sequence->get_int64()), *when, std::string(type->get_string()), {}};
  for (std::string_view key : {"sequence", "time", "type"}) object->erase(key);
  event.details = std::move(*object);
  return event;
}

}  // namespace

EventLog::EventLog(asio::io_context& loop, std::string path)
    : path_(std::move(path)), added_(loop, asio::steady_timer::time_point::max()) {}

Result<std::unique_ptr<EventLog>> EventLog::open(asio::io_context& loop, std::string path) {
  std::unique_ptr<EventLog> log(new EventLog(loop, std::move(path)));
  TRY(log->load());
  return log;
}

Result<> EventLog::load() {
  TRY_ASSIGN(file_, os::open_file("event log", path_, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW));
  TRY_ASSIGN(std::string content, os::read_file(path_, file_max + limits::event_bytes));
  size_ = content.size();
  bool whole = content.empty() || content.ends_with('\n');
  for (std::string_view rest = content; !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    auto event = read_event(line);
    if (!event || event->sequence < next_sequence()) {
      whole = false;
      continue;
    }
    // Only damage leaves a hole in the numbers; what is before it cannot stay, and no number is given twice.
    if (event->sequence > next_sequence()) {
      kept_.clear();
      kept_bytes_ = 0;
      first_ = event->sequence;
    }
    keep(std::string(line));
  }
  unwritten_ = next_sequence();
  if (!whole) TRY(rewrite());
  return {};
}

void EventLog::keep(std::string line) {
  kept_bytes_ += line.size();
  kept_.push_back(std::move(line));
  while (kept_.size() > limits::events_kept || kept_bytes_ > limits::events_bytes) {
    kept_bytes_ -= kept_.front().size();
    kept_.pop_front();
    ++first_;
  }
}

void EventLog::add(std::string type, json::object details, std::optional<Time> time) {
  Event event{next_sequence(), time ? *time : std::chrono::time_point_cast<Time::duration>(std::chrono::system_clock::now()),
              std::move(type), std::move(details)};
  std::string line = to_text(to_json(event));
  if (line.size() > limits::event_bytes) {
    event.details = {{"left_out_bytes", line.size()}};
    line = to_text(to_json(event));
  }
  keep(std::move(line));
  auto written = size_ + kept_.back().size() + 1 > file_max ? rewrite() : append_unwritten();
  trouble_.reset();
  if (!written) trouble_ = std::move(written).error();
  added_.cancel();
}

Result<> EventLog::append_unwritten() {
  std::string lines;
  for (std::uint64_t number = std::max(unwritten_, first_); number < next_sequence(); ++number) lines += kept_[number - first_] + '\n';
  if (auto written = os::write_all(file_.get(), lines, path_); !written) {
    // What got there of it would be doubled by the next try, or would spoil its first line.
    if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) return fail_errno("cut " + path_);
    return written;
  }
  size_ += lines.size();
  unwritten_ = next_sequence();
  return {};
}

Result<> EventLog::rewrite() {
  std::string lines;
  for (const std::string& line : kept_) lines += line + '\n';
  TRY(os::write_file(path_, lines));
  TRY_ASSIGN(file_, os::open_file("event log", path_, O_RDWR | O_APPEND | O_NOFOLLOW));
  size_ = lines.size();
  unwritten_ = next_sequence();
  return {};
}

void EventLog::close() {
  closed_ = true;
  added_.cancel();
}

std::vector<Event> EventLog::since(std::uint64_t sequence, std::size_t most) const {
  std::vector<Event> events;
  for (std::uint64_t number = std::max(sequence, first_); number < next_sequence() && events.size() < most; ++number) {
    auto event = read_event(kept_[number - first_]);
    if (event) events.push_back(std::move(*event));
  }
  return events;
}

asio::awaitable<bool> EventLog::wait(std::uint64_t sequence) {
  while (next_sequence() <= sequence) {
    if (closed_) co_return false;
    boost::system::error_code
        ended_early;  // it is always cancelled: by add(), by close(), or the caller is, and then the next co_await throws
    co_await added_.async_wait(asio::redirect_error(asio::use_awaitable, ended_early));
  }
  co_return !closed_;
}

}  // namespace vmline::keeper
