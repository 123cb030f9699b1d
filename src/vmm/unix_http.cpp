// SPDX-License-Identifier: Apache-2.0
// See unix_http.hpp.
#include "vmm/unix_http.hpp"

#include <fmt/format.h>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "base/limits.hpp"
#include "wire/api/size.hpp"

namespace vmline::vmm {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Stream = beast::basic_stream<asio::local::stream_protocol>;
using boost::system::error_code;

std::unexpected<Error> failed(const error_code& error, const HttpRequest& request) {
  if (error == beast::error::timeout) {
    return fail("no answer within " + api::format_duration(request.limit), ErrorKind::timed_out);
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message || error == asio::error::connection_reset) {
    return fail("the connection ended before an answer came");
  }
  if (error.category() == boost::system::system_category()) return std::unexpected(Error::system(request.socket, error.value()));
  return fail(fmt::format("{}: {}", request.socket, error.message()));
}

http::request<http::string_body> message(const HttpRequest& request) {
  http::request<http::string_body> out(http::string_to_verb(request.method), request.target, 11);
  out.set(http::field::host, "localhost");
  out.set(http::field::accept, "application/json");
  if (!request.body.empty()) out.set(http::field::content_type, "application/json");
  out.body() = request.body;
  out.prepare_payload();
  return out;
}

}  // namespace

asio::awaitable<Result<HttpAnswer>> ask_http(HttpRequest request) {
  constexpr auto token = asio::as_tuple(asio::use_awaitable);
  if (request.socket.size() > limits::socket_path) co_return fail(request.socket + ": the path is too long for a socket");
  Stream stream(co_await asio::this_coro::executor);
  stream.expires_after(request.limit);
  auto [connect_error] = co_await stream.async_connect(asio::local::stream_protocol::endpoint(request.socket), token);
  if (connect_error) co_return failed(connect_error, request);

  http::request<http::string_body> question = message(request);
  auto [write_error, written] = co_await http::async_write(stream, question, token);
  if (write_error) co_return failed(write_error, request);

  beast::flat_buffer buffer(limits::monitor_answer + limits::http_header);
  http::response_parser<http::string_body> parser;
  parser.header_limit(limits::http_header);
  parser.body_limit(limits::monitor_answer);
  auto [read_error, read] = co_await http::async_read(stream, buffer, parser, token);
  if (read_error) co_return failed(read_error, request);
  co_return HttpAnswer{parser.get().result_int(), std::move(parser.get().body())};
}

}  // namespace vmline::vmm
