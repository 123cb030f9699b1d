// SPDX-License-Identifier: Apache-2.0
// `vmline wait`: until a VM is in a state, or its guest has said something.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "cli/commands.hpp"
#include "cli/event_stream.hpp"
#include "cli/fields.hpp"
#include "cli/line_matcher.hpp"
#include "cli/line_stream.hpp"
#include "cli/output.hpp"

namespace vmline::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto quiet_time = 50ms;  ///< after which a line that has not ended is looked at: a prompt

enum class Verdict { reached, not_yet, never };

Verdict judge(const std::string& condition, const std::string& state) {
  bool over = state == "stopped" || state == "failed";
  if (condition == "stopped") return over ? Verdict::reached : Verdict::not_yet;
  if (over) return Verdict::never;
  if (condition == "ready") return state == "ready" ? Verdict::reached : Verdict::not_yet;
  return state == "running" || state == "ready" ? Verdict::reached : Verdict::not_yet;
}

/// The VM as it was when it came to the state.
asio::awaitable<Result<json::object>> await_state(asio::io_context& loop, const Context& context, std::string name, std::string condition) {
  EventStream stream(loop, context.finder, name, std::nullopt);
  while (true) {
    // First the stream, then the state: so no change falls between them.
    auto connected = co_await stream.connect();
    if (!connected) co_return std::unexpected(connected.error());
    auto found = context.finder.find(name);
    if (!found) co_return std::unexpected(found.error());
    while (true) {
      std::string state = text_field(found->vm, "state");
      Verdict verdict = judge(condition, state);
      if (verdict == Verdict::reached) co_return std::move(found->vm);
      if (verdict == Verdict::never) {
        std::string reason = text_field(found->vm, "reason");
        co_return fail(fmt::format("{} is {}{}{}", name, state, reason.empty() ? "" : ": ", reason));
      }
      auto event = co_await stream.next();
      if (!event) co_return std::unexpected(event.error());
      if (!*event || text_field(**event, "type") == "connected") break;
      if (text_field(**event, "type") != "state") continue;
      found->vm["state"] = text_field(**event, "state");
      found->vm["reason"] = text_field(**event, "reason");
    }
  }
}

/// Looks for the line in what a stream brings, and in the line that has not ended when nothing came for a while.
class LineSearch {
 public:
  LineSearch(asio::io_context& loop, LineStream& stream, LineMatcher matcher)
      : stream_(stream), matcher_(std::move(matcher)), quiet_(loop) {}

  /// Nothing where the line came to its end without it.
  asio::awaitable<Result<std::optional<std::string>>> run() {
    while (!found_) {
      arm();
      auto message = co_await stream_.next();
      if (found_) break;
      if (!message) co_return std::unexpected(message.error());
      if (std::holds_alternative<LineClosing>(*message)) {
        found_ = matcher_.quiet();
        break;
      }
      if (const auto* bytes = std::get_if<LineBytes>(&*message)) found_ = matcher_.feed(bytes->data);
    }
    co_return found_;
  }

  /// Called when the line that has not ended matches: run() waits for more meanwhile.
  std::function<void(std::string)> on_quiet_match;

 private:
  void arm() {
    quiet_.expires_after(quiet_time);
    quiet_.async_wait([this](const boost::system::error_code& ec) {
      if (ec || found_) return;
      found_ = matcher_.quiet();
      if (found_) on_quiet_match(*found_);
    });
  }

  LineStream& stream_;
  LineMatcher matcher_;
  asio::steady_timer quiet_;
  std::optional<std::string> found_;
};

Error too_late(const WaitOptions& options, const std::string& what) {
  return Error(fmt::format("{}: {} did not come within {} ms", options.line, what, options.timeout->count()), ErrorKind::timed_out);
}

/// Ends the loop with timed_out when the user's time is up.
void arm_timeout(asio::steady_timer& timer, const WaitOptions& options, Result<>& result) {
  if (!options.timeout) return;
  timer.expires_after(*options.timeout);
  timer.async_wait([&timer, &options, &result](const boost::system::error_code& ec) {
    if (ec) return;
    result = std::unexpected(too_late(options, options.condition));
    static_cast<asio::io_context&>(timer.get_executor().context()).stop();
  });
}

Result<int> wait_for_line(const Context& context, const WaitOptions& options) {
  TRY_ASSIGN(LineName name, LineName::parse(options.line));
  TRY_ASSIGN(LineMatcher matcher, LineMatcher::create(std::string_view(options.condition).substr(5)));
  TRY_ASSIGN(FoundVm found, context.finder.find(name.vm));
  if (!found.running()) return fail(fmt::format("{} is {}", name.vm, text_field(found.vm, "state")), ErrorKind::conflict);
  std::string line = line_of(name, found.vm);
  asio::io_context loop(1);
  LineStream stream(loop, context.finder, {name.vm, line, options.from.value_or("boot:-1")});
  LineSearch search(loop, stream, std::move(matcher));
  asio::steady_timer timer(loop);
  Result<> result;
  std::optional<std::string> matched;
  arm_timeout(timer, options, result);
  search.on_quiet_match = [&](std::string text) {
    matched = std::move(text);
    loop.stop();
  };
  asio::co_spawn(loop, search.run(), [&](std::exception_ptr, Result<std::optional<std::string>> outcome) {
    if (!outcome)
      result = std::unexpected(outcome.error());
    else
      matched = *std::move(outcome);
    loop.stop();
  });
  loop.run();
  TRY(result);
  if (!matched) return fail(fmt::format("{}/{} ended, and the line had not come", name.vm, line));
  if (options.format == Format::json)
    print_json(json::object{{"name", name.vm}, {"line", line}, {"text", *matched}});
  else
    print(*matched + "\n");
  return 0;
}

Result<int> wait_for_state(const Context& context, const WaitOptions& options) {
  TRY(context.finder.check_exists(options.line));
  asio::io_context loop(1);
  asio::steady_timer timer(loop);
  Result<> result;
  Result<json::object> vm = json::object();
  arm_timeout(timer, options, result);
  asio::co_spawn(loop, await_state(loop, context, options.line, options.condition), [&](std::exception_ptr, Result<json::object> outcome) {
    vm = std::move(outcome);
    loop.stop();
  });
  loop.run();
  TRY(result);
  TRY(vm);
  if (options.format == Format::json) print_json(*vm);
  return 0;
}

}  // namespace

Result<int> wait(const Context& context, const WaitOptions& options) {
  if (options.condition.starts_with("line:")) return wait_for_line(context, options);
  if (options.from) return fail("--from is for --for line:REGEX", ErrorKind::usage);
  return wait_for_state(context, options);
}

}  // namespace vmline::cli
