// SPDX-License-Identifier: Apache-2.0
// One line of a VM; see line.hpp.
#include "keeper/line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "keeper/clock.hpp"
#include "keeper/line_stream.hpp"
#include "wire/api/time.hpp"

namespace vmline::keeper {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t marks_kept = 1024;

line::FlowSettings flow_of(const api::LineSpec& spec) {
  return {spec.spool, spec.backlog, spec.journal, spec.overflow == api::Overflow::block, spec.stall_limit};
}

History::Read spool_alone() {
  return [](Offset, Offset at, Offset to) -> HistoryResult {
    return HistoryLoss{{at, std::max(to, at + 1)}, "older than what the spool keeps"};
  };
}

asio::awaitable<void> sleep(asio::io_context& loop, std::chrono::milliseconds time) {
  asio::steady_timer timer(loop, time);
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace

Line::Line(Shared shared, Settings settings, os::Spool spool)
    : shared_(shared),
      settings_(std::move(settings)),
      spool_(std::move(spool)),
      journal_(settings_.spec.journal ? std::make_unique<JournalThread>(shared.loop, shared.disks, shared.holder,
                                                                        os::Journal::Options{.log_path = settings_.log_path,
                                                                                             .index_path = settings_.index_path,
                                                                                             .note_path = os::Spool::note_path(
                                                                                                 settings_.memory_dir, settings_.spec.name),
                                                                                             .spool_path = spool_.file_path()},
                                                                        settings_.spec.name)
                                      : nullptr),
      history_(shared.loop, shared.disks, spool_, journal_ ? journal_->reader() : spool_alone()),
      input_(shared.loop),
      raw_(shared.loop, shared.holder, spool_, history_, input_),
      pump_(shared.loop, spool_, journal_.get(), flow_of(settings_.spec)),
      heard_(settings_.words_from.value_or(spool_.head())) {
  pump_.on_head = [this](Offset head) { head_moved(head); };
  pump_.on_gap = [this](Range range) {
    shared_.events.add("gap",
                       {{"line", spec().name}, {"begin", range.begin}, {"end", range.end}, {"cause", std::string(line::cause_behind)}});
    shared_.log.warning(
        fmt::format("{}: the log lacks bytes {} to {}: the journal could not keep up", spec().name, range.begin, range.end));
  };
  pump_.on_trouble = [this](const std::string& sentence) { shared_.log.error(fmt::format("{}: {}", spec().name, sentence)); };
  input_.on_writer = [this](const std::string& writer) {
    shared_.events.add("writer", {{"line", spec().name}, {"writer", writer}});
    for (LineStream* stream : streams_) stream->writer_changed(writer);
    raw_.read_again();
  };
  input_.on_room = [this] { raw_.read_again(); };
}

Line::~Line() {
  for (LineStream* stream : streams_) stream->detach();
}

asio::awaitable<Result<>> Line::take_lock() {
  // Whoever has it is being killed, or is the holder's pump, which was asked to let go: a matter of a millisecond or so.
  for (auto waited = 0ms; waited < 10s; waited += 1ms) {
    auto taken = spool_.try_lock();
    if (!taken) co_return std::unexpected(taken.error());
    if (*taken) co_return Result<>{};
    co_await sleep(shared_.loop, 1ms);
  }
  co_return fail("somebody else still pumps " + spool_.file_path(), ErrorKind::timed_out);
}

void Line::start(UniqueFd kept_log, std::optional<line::Boot> last_boot) {
  // What a keeper that was killed had paged back for somebody is not known to be whole.
  spool_.punch({0, spool_.low()});
  if (last_boot) boots_.push_back(*last_boot);
  if (!journal_) return;
  journal_->on_open = [this] { journal_opened(); };
  journal_->on_progress = [this] {
    if (pump_.stalled()) pump_.run();
  };
  journal_->open(std::move(kept_log), spool_.low(), spool_.head());
}

void Line::journal_opened() {
  // The newest boot may have been told by the VM's state only: the keeper that handled it was killed before the index had it.
  auto known = journal_->boots();
  for (const line::Boot& boot : boots_) {
    if (known.empty() || boot.number > known.back().number) {
      journal_->record_boot(boot);
      known.push_back(boot);
    }
  }
  boots_ = std::move(known);
  // This keeper's own are the newest, and may be in the index already.
  auto losses = journal_->losses();
  for (const line::Gap& loss : losses_) {
    if (std::ranges::none_of(losses, [&](const line::Gap& other) { return other.range == loss.range && other.cause == loss.cause; }))
      losses.push_back(loss);
  }
  losses_ = std::move(losses);
  journal_->advance(spool_.head());
  wake_streams();
}

bool Line::upstream_is_open() const { return pump_.upstream() && std::string_view(pump_.upstream()->state()) == "open"; }

void Line::connect(std::unique_ptr<Upstream> upstream, std::function<void()> changed) {
  upstream->on_change = [this, changed = std::move(changed)] {
    input_.connect(pump_.upstream()->input());
    shared_.events.add("upstream", {{"line", spec().name}, {"state", pump_.upstream()->state()}});
    pump_.run();
    if (changed) changed();
  };
  input_.connect(upstream->input());
  pump_.connect(std::move(upstream));
  head_moved(spool_.head());
}

void Line::head_moved(Offset head) {
  // Clients first: waking the journal's thread can cost this one its place on the CPU.
  raw_.feed(head);
  wake_streams();
  if (journal_) journal_->advance(head);
  hear(head);
  if (marks_.size() >= marks_kept) marks_.erase(marks_.begin(), marks_.begin() + marks_kept / 2);
  marks_.emplace_back(wall_clock(), head);
}

void Line::hear(Offset head) {
  std::array<std::byte, 32768> buffer;
  std::vector<line::WordMatch> found;
  heard_ = std::max(heard_, spool_.low());
  while (heard_ < head) {
    auto n = spool_.read(heard_, std::span(buffer).first(std::min<Offset>(buffer.size(), head - heard_)));
    if (!n || *n == 0) break;
    settings_.words.feed(heard_, {reinterpret_cast<const char*>(buffer.data()), *n}, found);
    heard_ += *n;
  }
  if (!on_words) return;
  for (const line::WordMatch& match : found) on_words(match);
}

void Line::wake_streams() {
  for (LineStream* stream : streams_) stream->wake();
}

void Line::accept(const std::string& name, UniqueFd connection) {
  Offset head = spool_.head();
  Offset start = head;
  if (spec().replay == api::Replay::spool) start = std::max(spool_.low(), head > spec().spool ? head - spec().spool : 0);
  raw_.accept(name, std::move(connection), start);
}

void Line::take_over(const std::string& name, UniqueFd connection, UniqueFd cursor) {
  raw_.take_over(name, std::move(connection), std::move(cursor));
}

Offset Line::head_at(Time time) const {
  auto later = std::ranges::upper_bound(marks_, time, {}, &std::pair<Time, Offset>::first);
  if (later == marks_.end()) return spool_.head();
  return later == marks_.begin() ? spool_.low() : std::prev(later)->second;
}

line::Boot Line::begin_boot(std::uint64_t number, const std::string& cause, Time time, Offset old_until) {
  pump_.drain();
  line::Boot boot{
      .number = number, .offset = spool_.head(), .offset_low = std::min(old_until, spool_.head()), .time = time, .cause = cause};
  record_boot(boot);
  return boot;
}

void Line::record_boot(const line::Boot& boot) {
  if (!boots_.empty() && boots_.back().number >= boot.number) return;
  boots_.push_back(boot);
  // Without it being open, the boots are recorded when it is.
  if (journal_ && journal_->is_open()) journal_->record_boot(boot);
  shared_.events.add(
      "boot",
      {{"line", spec().name}, {"boot", boot.number}, {"offset", boot.offset}, {"offset_low", boot.offset_low}, {"cause", boot.cause}},
      boot.time);
  wake_streams();
}

void Line::note_loss(std::string_view cause) {
  Offset at = spool_.head();
  losses_.push_back({{at, at}, wall_clock(), std::string(cause)});
  if (journal_) journal_->record_loss(at, cause);
  shared_.events.add("gap", {{"line", spec().name}, {"begin", at}, {"end", at}, {"cause", std::string(cause)}});
  shared_.log.warning(fmt::format("{}: bytes may be lost at offset {}: {}", spec().name, at, cause));
  wake_streams();
}

asio::awaitable<void> Line::drain() {
  while (!pump_.drain()) co_await sleep(shared_.loop, 5ms);
}

asio::awaitable<void> Line::take_leave(std::chrono::milliseconds limit) {
  if (!pump_.upstream()) co_return;
  pump_.upstream()->shut_down();
  for (auto waited = 0ms; upstream_is_open() && waited < limit; waited += 5ms) co_await sleep(shared_.loop, 5ms);
  co_await drain();
}

asio::awaitable<bool> Line::finish(std::string reason, std::chrono::milliseconds feed, std::chrono::milliseconds journal) {
  closing_ = std::move(reason);
  wake_streams();
  auto begin = std::chrono::steady_clock::now();
  while (!(raw_.all_fed() && streams_.empty()) && std::chrono::steady_clock::now() - begin < feed) co_await sleep(shared_.loop, 5ms);
  raw_.close_all();
  if (!journal_) co_return true;
  Offset end = spool_.head();
  journal_->advance(end);
  while (journal_->journaled() < end && std::chrono::steady_clock::now() - begin < feed + journal) co_await sleep(shared_.loop, 5ms);
  if (!journal_->is_open() || journal_->journaled() < end) co_return false;
  struct Outcome {
    bool done = false, ended = false;
  };
  auto outcome = std::make_shared<Outcome>();  // the disk may answer after we have stopped to wait
  journal_->finish(end, [outcome, &log = shared_.log, name = spec().name](Result<> result) {
    *outcome = {true, result.has_value()};
    if (!result) log.error(fmt::format("{}: {}", name, result.error().sentence()));
  });
  while (!outcome->done && std::chrono::steady_clock::now() - begin < feed + journal) co_await sleep(shared_.loop, 2ms);
  co_return outcome->done && outcome->ended;
}

std::uint64_t Line::boot_at(Offset offset) const {
  auto after = std::ranges::upper_bound(boots_, offset, {}, &line::Boot::offset);
  return after == boots_.begin() ? 0 : std::prev(after)->number;
}

Offset Line::first_kept() const { return journal_ ? std::min(journal_->first_kept(spool_.low()), spool_.low()) : spool_.low(); }

Result<std::unique_ptr<Stream>> Line::open(const StreamRequest& request) {
  using From = StreamRequest::From;
  Offset head = spool_.head();
  Offset first = first_kept();
  Offset start = head;
  switch (request.from) {
    case From::tail: break;
    case From::start: start = first; break;
    case From::offset:
      if (request.value > head)
        return fail(fmt::format("offset {} is not there yet: the line ends at {}", request.value, head), ErrorKind::usage);
      start = request.value;
      break;
    case From::back: start = std::max(first, request.value >= head ? 0 : head - request.value); break;
    case From::boot:
    case From::boot_back: {
      auto boot = boots_.end();
      if (request.from == From::boot) {
        boot = std::ranges::find(boots_, request.value, &line::Boot::number);
      } else if (request.value >= 1 && request.value <= boots_.size()) {
        boot = boots_.end() - static_cast<std::ptrdiff_t>(request.value);
      }
      if (boot == boots_.end()) {
        return fail(boots_.empty() ? "no boot is known yet"
                                   : fmt::format("there is no such boot: known are {} to {}", boots_.front().number, boots_.back().number),
                    ErrorKind::not_found);
      }
      start = boot->offset_low;  // where its place is not exact, better some bytes of the boot before than none of its first
    }
  }
  auto stream = std::make_unique<LineStream>(*this, request, start);
  if (request.take) TRY(stream->take());
  return stream;
}

json::object Line::info() const {
  Offset head = spool_.head();
  Upstream* upstream = pump_.upstream();
  std::string journal_state = "off";
  if (journal_) {
    journal_state = !journal_->error().empty()                                          ? "failing"
                    : !journal_->is_open() || journal_->journaled() + (1u << 20) < head ? "behind"
                                                                                        : "ok";
  }
  json::object info;
  info["name"] = spec().name;
  info["head"] = head;
  info["low"] = spool_.low();
  info["first"] = first_kept();
  info["journaled"] = journal_ ? journal_->journaled() : head;
  info["boot"] = boots_.empty() ? 0 : boots_.back().number;
  info["log"] = journal_ ? json::value(settings_.log_path) : json::value(nullptr);
  info["socket"] = settings_.socket_path;
  info["upstream"] = {{"kind", upstream ? upstream->kind() : ""}, {"state", upstream ? upstream->state() : "waiting"}};
  info["clients"] = {{"raw", raw_.count()}, {"api", streams_.size()}};
  info["writer"] = input_.writer();
  // As the journal knows them: what others truncated or moved away is among them.
  auto gaps = journal_ ? journal_->gap_totals() : line::History::GapTotals{};
  info["gaps"] = gaps.count;
  info["gap_bytes"] = gaps.bytes;
  info["spool"] = spec().spool;
  info["pipe"] = upstream ? upstream->pipe_size() : 0;
  info["stalled"] = pump_.stalled();
  info["journal"] = {{"state", journal_state}, {"error", journal_ ? journal_->error() : ""}};
  bool works = upstream && upstream->input() >= 0;
  info["typing"] = {{"works", works}, {"reason", typing_note_}};
  return info;
}

json::array Line::boots() const {
  json::array all;
  for (const line::Boot& boot : boots_) {
    all.push_back({{"boot", boot.number},
                   {"offset", boot.offset},
                   {"offset_low", boot.offset_low},
                   {"time", api::format_time(boot.time)},
                   {"cause", boot.cause}});
  }
  return all;
}

}  // namespace vmline::keeper
