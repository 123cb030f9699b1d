// SPDX-License-Identifier: Apache-2.0
// One line of a VM over the deaths of keepers and holders; see line_stream.hpp.
#include "cli/line_stream.hpp"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "cli/connection.hpp"
#include "cli/fields.hpp"

namespace vmline::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto connect_limit = 10s;
constexpr auto comeback_limit = 60s;  ///< for a keeper to answer again

/// For the thread on which it may block.
asio::awaitable<Result<FoundVm>> find_vm(const Finder& finder, std::string name, std::stop_token stop) {
  co_return finder.find(name, nullptr, stop);
}

}  // namespace

LineStream::LineStream(asio::io_context& loop, const Finder& finder, LineRequest request)
    : loop_(loop), finder_(finder), request_(std::move(request)), connected_(loop, asio::steady_timer::time_point::max()) {}

LineStream::~LineStream() {
  leaving_.request_stop();
  finding_.join();
  if (socket_) socket_->abort();
}

std::string LineStream::target() const {
  return fmt::format("/v1/lines/{}/stream?from={}{}{}", request_.line, opened_ ? std::to_string(offset_) : request_.from,
                     request_.read_only ? "&read_only=1" : "", (opened_ ? writer_ : request_.take) && !request_.read_only ? "&take=1" : "");
}

/// Leaves socket_ empty where the VM is found to be stopped.
asio::awaitable<Result<>> LineStream::connect() {
  auto deadline = std::chrono::steady_clock::now() + comeback_limit;
  asio::steady_timer pause(loop_);
  for (auto length = 5ms;; length = std::min(length * 2, 500ms)) {
    std::string where = target();
    auto socket = co_await WebSocket::open(finder_.places().control_socket(request_.name), where, connect_limit);
    if (socket) {
      socket_ = *std::move(socket);
      connected_.cancel();
      co_return Result<>();
    }
    Error error = socket.error();
    bool over = std::chrono::steady_clock::now() >= deadline;
    if (over || !(is_lost_connection(error) || error.kind() == ErrorKind::timed_out))
      co_return std::unexpected(error.because(request_.name));
    auto found = co_await asio::co_spawn(finding_, find_vm(finder_, request_.name, leaving_.get_token()), asio::use_awaitable);
    if (!found) co_return std::unexpected(found.error());
    if (!found->running()) co_return Result<>();
    boost::system::error_code ec;
    pause.expires_after(length);
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ec));
  }
}

asio::awaitable<Result<LineMessage>> LineStream::next() {
  while (true) {
    if (!socket_) {
      auto done = co_await connect();
      if (!done) co_return std::unexpected(done.error());
      if (!socket_) co_return LineClosing{"it has stopped"};
    }
    auto message = co_await socket_->read();
    if (!message) {
      socket_->abort();
      socket_.reset();
      continue;
    }
    std::optional<LineMessage> event;
    if (message->text) {
      auto parsed = parse_line_event(message->data);
      if (!parsed) co_return std::unexpected(parsed.error());
      event = *std::move(parsed);
    } else {
      event = LineBytes{arriving_, std::move(message->data)};
    }
    if (event) event = accept(*std::move(event));
    if (event) co_return *std::move(event);
  }
}

/// Keeps what has not been handed out before.
std::optional<LineMessage> LineStream::accept(LineMessage message) {
  if (auto* opened = std::get_if<LineOpened>(&message)) {
    arriving_ = opened->offset;
    if (!opened_) {
      opened_ = true;
      offset_ = opened->offset;
      boot_ = opened->boot;
      return message;
    }
    if (opened->offset <= offset_) return std::nullopt;
    LineGap gap{{offset_, opened->offset}, "no longer kept"};
    offset_ = opened->offset;
    return gap;
  }
  if (auto* bytes = std::get_if<LineBytes>(&message)) {
    arriving_ += bytes->data.size();
    if (arriving_ <= offset_) return std::nullopt;
    if (bytes->offset < offset_) {
      bytes->data.erase(0, offset_ - bytes->offset);
      bytes->offset = offset_;
    }
    offset_ = arriving_;
  } else if (auto* gap = std::get_if<LineGap>(&message)) {
    if (gap->range.empty()) {
      if (loss_ && gap->range.begin <= *loss_) return std::nullopt;
      loss_ = gap->range.begin;
    }
    arriving_ = std::max(arriving_, gap->range.end);
    if (!gap->range.empty() && gap->range.end <= offset_) return std::nullopt;
    gap->range.begin = std::min(std::max(gap->range.begin, offset_), gap->range.end);
    offset_ = std::max(offset_, gap->range.end);
  } else if (auto* boot = std::get_if<LineBoot>(&message)) {
    // A boot that begins where the stream was opened is told of as well as named by `opened`.
    if (boot->number < boot_ || (boot->number == boot_ && boot->offset < offset_)) return std::nullopt;
    boot_ = boot->number + 1;
  } else if (std::holds_alternative<LineReplayEnded>(message)) {
    if (std::exchange(replayed_, true)) return std::nullopt;
  } else if (auto* writer = std::get_if<LineWriter>(&message)) {
    writer_ = writer->you;
  }
  return message;
}

asio::awaitable<std::shared_ptr<WebSocket>> LineStream::connected() {
  while (!socket_) {
    boost::system::error_code ec;
    co_await connected_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
  }
  co_return socket_;
}

asio::awaitable<void> LineStream::type(std::string bytes) {
  auto socket = co_await connected();
  // A name of its own: GCC 12 destroys what a co_await expression builds in braces twice.
  WebSocket::Message message{false, std::move(bytes)};
  // An error here is a lost connection, and next() sees it as well.
  (void)co_await socket->write(std::move(message));
}

asio::awaitable<void> LineStream::flush() {
  auto socket = socket_;
  if (socket) co_await socket->flush();
}

}  // namespace vmline::cli
