// SPDX-License-Identifier: Apache-2.0
// Answers to requests; see control_requests.hpp.
#include "keeper/control_requests.hpp"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "base/check.hpp"
#include "keeper/control_event_stream.hpp"
#include "keeper/control_json.hpp"
#include "keeper/control_line_stream.hpp"
#include "keeper/control_query.hpp"

namespace vmline::keeper {
namespace {

std::string_view title_of(unsigned status) {
  switch (status) {
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Payload Too Large";
    case 426: return "Upgrade Required";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Internal Server Error";
  }
}

Answer json_answer(const json::value& value) { return {200, to_text(value) + "\n", "application/json", {}}; }

Result<json::value> read(ControlContext& context, const ControlRequest& request) {
  if (request.match.entry->route == Route::events) {
    TRY_ASSIGN(EventsQuery query, read_events_query(request.target));
    json::array events;
    std::uint64_t next = query.from;
    for (const Event& event : context.vm.events().since(query.from, query.limit)) {
      next = event.sequence + 1;
      events.push_back(to_json(event));
    }
    return json::object{{"events", std::move(events)}, {"next", next}};
  }
  TRY(read_no_query(request.target));
  switch (request.match.entry->route) {
    case Route::vm: return context.vm.info();
    case Route::spec: return context.vm.spec();
    case Route::line: {
      TRY_ASSIGN(LineService * line, context.vm.line(request.match.line));
      return line->info();
    }
    case Route::boots: {
      TRY_ASSIGN(LineService * line, context.vm.line(request.match.line));
      return json::object{{"boots", line->boots()}};
    }
    default: CHECK(false);
  }
}

/// A command under way. Shared by whoever waits for it and the command itself, whichever ends first.
struct Command {
  explicit Command(const asio::any_io_executor& executor) : ended(executor, asio::steady_timer::time_point::max()) {}
  std::optional<Result<json::object>> result;
  asio::steady_timer ended;  ///< never expires; cancelled when there is a result
};

std::string words_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& exception) {
    return exception.what();
  } catch (...) {
    return "unknown";
  }
}

}  // namespace

Answer problem_answer(unsigned status, std::string_view sentence) {
  return {status, problem(status, title_of(status), sentence) + "\n", "application/problem+json", {}};
}

Answer problem_answer(const Error& error) { return problem_answer(status_of(error.kind()), error.sentence()); }

Answer answer_from_memory(ControlContext& context, const ControlRequest& request) {
  auto value = read(context, request);
  return value ? json_answer(*value) : problem_answer(value.error());
}

asio::awaitable<Answer> run_command(std::shared_ptr<ControlContext> context, const ControlRequest& request) {
  auto no_query = read_no_query(request.target);
  if (!no_query) co_return problem_answer(no_query.error());
  auto arguments = read_arguments(request.match.entry->route, request.body);
  if (!arguments) co_return problem_answer(arguments.error());
  if (!request.match.line.empty()) {
    // No VM is told of a line that it does not have.
    auto line = context->vm.line(request.match.line);
    if (!line) co_return problem_answer(line.error());
    (*arguments)["line"] = request.match.line;
  }
  if (context->commands >= limits::api_commands) {
    co_return problem_answer(503, fmt::format("{} commands are under way already: wait for them", context->commands));
  }
  ++context->commands;
  auto command = std::make_shared<Command>(context->executor);
  asio::co_spawn(context->executor, context->vm.command(std::string(request.match.entry->command), std::move(*arguments)),
                 [context, command](const std::exception_ptr& failure, Result<json::object> result) {
                   --context->commands;
                   if (failure) result = fail(words_of(failure));
                   command->result = std::move(result);
                   command->ended.cancel();
                 });
  boost::system::error_code cancelled;
  if (!command->result) co_await command->ended.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  if (!command->result) co_return problem_answer(503, "the keeper closes while the command goes on");
  co_return command->result->has_value() ? json_answer(**command->result) : problem_answer(command->result->error());
}

asio::awaitable<Answer> type_input(ControlContext& context, const ControlRequest& request, std::unique_ptr<Stream>& stream) {
  StreamRequest wanted;
  wanted.who = request.who;
  auto take = read_input_query(request.target);
  if (!take) co_return problem_answer(take.error());
  wanted.take = *take;
  auto line = context.vm.line(request.match.line);
  if (!line) co_return problem_answer(line.error());
  auto opened = (*line)->open(wanted);
  if (!opened) co_return problem_answer(opened.error());
  stream = std::move(*opened);
  if (!request.body.empty()) {
    Result<> typed = co_await stream->type(std::as_bytes(std::span(request.body)));
    if (!typed) co_return problem_answer(typed.error());
  }
  co_return Answer{204, {}, {}, {}};
}

Result<std::shared_ptr<StreamSession>> make_session(const std::shared_ptr<ControlContext>& context, const ControlRequest& request) {
  if (request.match.entry->route == Route::events_stream) {
    TRY_ASSIGN(std::uint64_t from, read_events_stream_query(request.target, context->vm.events().next_sequence()));
    return std::make_shared<EventSession>(context, from);
  }
  TRY_ASSIGN(StreamRequest wanted, read_stream_query(request.target));
  wanted.who = request.who;
  TRY_ASSIGN(LineService * line, context->vm.line(request.match.line));
  TRY_ASSIGN(std::unique_ptr<Stream> stream, line->open(wanted));
  return std::make_shared<LineSession>(context, std::move(stream), wanted.read_only ? LineAccess::read_only : LineAccess::read_write);
}

}  // namespace vmline::keeper
