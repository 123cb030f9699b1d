// SPDX-License-Identifier: Apache-2.0
// HTTP by Beast; see control_http.hpp.
#include "keeper/control_http.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "keeper/control_deadline.hpp"
#include "keeper/control_requests.hpp"
#include "keeper/control_upgrade.hpp"

namespace vmline::keeper {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
constexpr unsigned connection_ended = 0;  ///< in place of an answer's status

using Parser = http::request_parser<http::string_body>;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

auto to(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

/// As the kernel knows it; the pid is 0 where it has none in our namespace.
std::string who_is(ControlSocket& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return "api";
  return fmt::format("api:pid={},uid={}", peer.pid, peer.uid);
}

class HttpConnection : public ControlPeer {
 public:
  HttpConnection(std::shared_ptr<ControlContext> context, ControlSocket socket, Admission admission)
      : ControlPeer(std::move(context)), socket_(std::move(socket)), deadline_(socket_.get_executor()), admission_(admission) {}

  void start() {
    auto self = std::static_pointer_cast<HttpConnection>(shared_from_this());
    asio::co_spawn(socket_.get_executor(), serve(), asio::bind_cancellation_slot(deadline_.slot(), [self](const std::exception_ptr&) {}));
  }

  void close() override {
    if (idle_) abort();
  }
  void abort() override {
    aborted_ = true;
    error_code error;
    socket_.close(error);
    deadline_.end();
  }
  void forsake() override { typing_.reset(); }

 private:
  asio::awaitable<void> serve();
  asio::awaitable<bool> next_request(std::chrono::milliseconds most);
  asio::awaitable<bool> serve_one();
  asio::awaitable<std::optional<Answer>> read_header(Parser& parser);
  asio::awaitable<std::optional<Answer>> read_body(Parser& parser);
  asio::awaitable<std::optional<Answer>> upgrade(Parser& parser, ControlRequest& request);
  asio::awaitable<Answer> answer(ControlRequest& request);
  asio::awaitable<Answer> type(const ControlRequest& request);
  asio::awaitable<bool> write(Answer answer, unsigned version, bool keep_alive);
  asio::awaitable<void> leave();

  ControlSocket socket_;
  beast::flat_buffer buffer_{limits::http_header + 4096};
  Deadline deadline_;
  std::unique_ptr<Stream> typing_;
  Admission admission_;
  bool idle_ = false;
  bool aborted_ = false;
};

asio::awaitable<void> HttpConnection::serve() {
  // A deadline is an answer here, no exception.
  co_await asio::this_coro::throw_if_cancelled(false);
  auto first_wait = admission_ == Admission::served ? context().limits.header : std::chrono::milliseconds(1000);
  bool more = co_await next_request(first_wait);
  while (more) {
    more = co_await serve_one();
    if (more) more = co_await next_request(context().limits.idle);
  }
  if (socket_.is_open()) co_await leave();
}

asio::awaitable<bool> HttpConnection::next_request(std::chrono::milliseconds most) {
  if (aborted_ || context().closing) co_return false;
  if (buffer_.size() > 0) co_return true;
  buffer_.shrink_to_fit();
  error_code error;
  idle_ = true;
  deadline_.arm(most);
  co_await socket_.async_wait(ControlSocket::wait_read, to(error));
  idle_ = false;
  bool late = co_await deadline_.disarm();
  co_return !late && !error && !aborted_;
}

asio::awaitable<bool> HttpConnection::serve_one() {
  auto parser = std::make_unique<Parser>();
  std::optional<Answer> problem = co_await read_header(*parser);
  if (problem && problem->status == connection_ended) co_return false;
  ControlRequest request;
  bool has_body = !problem && !parser->is_done();
  if (!problem && admission_ == Admission::refused) {
    problem = problem_answer(503, fmt::format("{} clients are connected already, as many as there may be", context().limits.clients));
  }
  if (!problem) {
    auto target = parse_target(view(parser->get().target()));
    if (target) {
      request.target = std::move(*target);
    } else {
      problem = problem_answer(target.error());
    }
  }
  if (!problem) {
    auto match = match_route(view(parser->get().method_string()), request.target);
    if (match) {
      request.match = std::move(*match);
    } else {
      problem = problem_answer(match.error().allow.empty() ? 404 : 405, match.error().sentence);
      problem->allow = match.error().allow;
    }
  }
  if (!problem && request.match.entry->speaks == Speaks::websocket) {
    problem = co_await upgrade(*parser, request);
    if (!problem) co_return false;
  }
  if (!problem) {
    problem = co_await read_body(*parser);
    if (problem && problem->status == connection_ended) co_return false;
    has_body = problem.has_value();
  }
  bool keep_alive = !problem ? parser->get().keep_alive() : parser->is_header_done() && parser->get().keep_alive() && !has_body;
  if (admission_ == Admission::refused) keep_alive = false;
  unsigned version = parser->is_header_done() ? parser->get().version() : 11;
  if (!problem) {
    request.body = std::move(parser->get().body());
    parser.reset();
    problem = co_await answer(request);
  }
  bool written = co_await write(std::move(*problem), version, keep_alive && !context().closing);
  co_return written&& keep_alive && !context().closing;
}

/// Nothing: go on. Status connection_ended: there is nobody left to answer.
asio::awaitable<std::optional<Answer>> HttpConnection::read_header(Parser& parser) {
  parser.header_limit(limits::http_header);
  parser.body_limit(limits::http_body);
  error_code error;
  deadline_.arm(context().limits.header);
  co_await http::async_read_header(socket_, buffer_, parser, to(error));
  bool late = co_await deadline_.disarm();
  std::optional<Answer> problem;
  if (late) {
    problem = problem_answer(408, fmt::format("the request's header was not there within {} ms", context().limits.header.count()));
  } else if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    problem = problem_answer(431, fmt::format("the request's header has more than {} bytes", limits::http_header));
  } else if (error == http::error::body_limit) {
    problem = problem_answer(413, fmt::format("the request's body has more than {} bytes", limits::http_body));
  } else if (error && error != http::error::end_of_stream && error != http::error::partial_message &&
             error.category() == http::make_error_code(http::error::bad_method).category()) {
    problem = problem_answer(400, fmt::format("this is no HTTP request: {}", error.message()));
  } else if (error || aborted_) {
    problem = Answer{connection_ended, {}, {}, {}};
  }
  co_return problem;
}

asio::awaitable<std::optional<Answer>> HttpConnection::read_body(Parser& parser) {
  std::optional<Answer> problem;
  if (parser.is_done()) co_return problem;
  auto length = parser.content_length();
  std::size_t size = length ? static_cast<std::size_t>(*length) : limits::http_body;
  if (context().body_bytes + size > limits::api_bodies) {
    problem = problem_answer(503, "too many requests with long bodies are under way: try again");
    co_return problem;
  }
  context().body_bytes += size;
  error_code error;
  deadline_.arm(context().limits.body);
  if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    co_await asio::async_write(socket_, asio::buffer(go_on), to(error));
  }
  if (!error) co_await http::async_read(socket_, buffer_, parser, to(error));
  bool late = co_await deadline_.disarm();
  context().body_bytes -= size;
  if (late) {
    problem = problem_answer(408, fmt::format("the request's body was not there within {} ms", context().limits.body.count()));
  } else if (error == http::error::body_limit) {
    problem = problem_answer(413, fmt::format("the request's body has more than {} bytes", limits::http_body));
  } else if (error && error != http::error::partial_message &&
             error.category() == http::make_error_code(http::error::bad_method).category()) {
    problem = problem_answer(400, fmt::format("this is no HTTP request: {}", error.message()));
  } else if (error || aborted_) {
    problem = Answer{connection_ended, {}, {}, {}};
  }
  co_return problem;
}

/// Nothing: the connection is a WebSocket from now on and no longer ours.
asio::awaitable<std::optional<Answer>> HttpConnection::upgrade(Parser& parser, ControlRequest& request) {
  std::optional<Answer> problem;
  auto wanted = read_upgrade(parser.get(), request.match.entry->route);
  if (!wanted) {
    problem = Answer(wanted.error());
  } else if (buffer_.size() > 0 || !parser.is_done()) {
    problem = problem_answer(400, "a client waits for the answer to its upgrade before it sends anything");
  } else {
    request.who = who_is(socket_);
    auto session = make_session(shared_context(), request);
    if (session) {
      (*session)->start(std::move(socket_), parser.release(), std::move(*wanted));
    } else {
      problem = problem_answer(session.error());
    }
  }
  co_return problem;
}

asio::awaitable<Answer> HttpConnection::answer(ControlRequest& request) {
  Answer result;
  try {
    if (request.match.entry->route == Route::input) {
      request.who = who_is(socket_);
      result = co_await type(request);
    } else if (!request.match.entry->command.empty()) {
      result = co_await run_command(shared_context(), request);
    } else {
      result = answer_from_memory(context(), request);
    }
  } catch (const std::exception& failure) {
    context().log.error(fmt::format("answer {}: {}", request.match.entry->path, failure.what()));
    result = problem_answer(500, failure.what());
  }
  co_return result;
}

/// A guest that does not read, and a client that has gone, both end it.
asio::awaitable<Answer> HttpConnection::type(const ControlRequest& request) {
  Answer result;
  asio::cancellation_signal watch_no_more;
  socket_.async_wait(ControlSocket::wait_error,
                     asio::bind_cancellation_slot(watch_no_more.slot(), [weak = weak_from_this()](error_code error) {
                       auto self = std::static_pointer_cast<HttpConnection>(weak.lock());
                       if (self && !error) self->abort();
                     }));
  co_await asio::this_coro::throw_if_cancelled(true);
  deadline_.arm(context().limits.typing);
  try {
    result = co_await type_input(context(), request, typing_);
  } catch (const boost::system::system_error& failure) {
    result = problem_answer(500, failure.what());
  }
  typing_.reset();
  co_await asio::this_coro::throw_if_cancelled(false);
  bool late = co_await deadline_.disarm();
  watch_no_more.emit(asio::cancellation_type::terminal);
  if (late && result.status != 204) {
    result = problem_answer(504, fmt::format("the guest did not take all of it within {} ms", context().limits.typing.count()));
  }
  co_return result;
}

asio::awaitable<bool> HttpConnection::write(Answer answer, unsigned version, bool keep_alive) {
  if (aborted_) co_return false;
  http::response<http::string_body> response(static_cast<http::status>(answer.status), version);
  response.set(http::field::server, "vmline");
  if (!answer.body.empty())
    response.set(http::field::content_type, beast::string_view(answer.content_type.data(), answer.content_type.size()));
  if (!answer.allow.empty()) response.set(http::field::allow, answer.allow);
  if (answer.status == 426) {
    response.set(http::field::upgrade, "websocket");
    response.set(http::field::sec_websocket_version, "13");
  }
  response.body() = std::move(answer.body);
  response.keep_alive(keep_alive);
  if (answer.status != 204) response.prepare_payload();  // which would say Content-Length: 0, and a 204 must not
  error_code error;
  deadline_.arm(context().limits.answer);
  co_await http::async_write(socket_, response, to(error));
  bool late = co_await deadline_.disarm();
  co_return !late && !error && !aborted_;
}

/// Closing with something unread would look like a reset to the client, maybe before it has read our answer.
asio::awaitable<void> HttpConnection::leave() {
  error_code error;
  socket_.shutdown(ControlSocket::shutdown_send, error);
  auto scratch = std::make_unique<std::array<char, 4096>>();
  deadline_.arm(std::chrono::milliseconds(1000));
  while (!error && !aborted_ && !deadline_.passed()) co_await socket_.async_read_some(asio::buffer(*scratch), to(error));
  co_await deadline_.disarm();
}

}  // namespace

void serve_http(std::shared_ptr<ControlContext> context, ControlSocket socket, Admission admission) {
  std::make_shared<HttpConnection>(std::move(context), std::move(socket), admission)->start();
}

}  // namespace vmline::keeper
