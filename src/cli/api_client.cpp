// SPDX-License-Identifier: Apache-2.0
// Requests to a keeper over its control socket; see api_client.hpp.
#include "cli/api_client.hpp"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>

#include "base/limits.hpp"
#include "cli/connection.hpp"

namespace vmline::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace json = boost::json;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;
using Stream = beast::basic_stream<asio::local::stream_protocol>;

Error lost(const std::string& path, const beast::error_code& ec) {
  if (ec == beast::error::timeout) return Error(fmt::format("{}: no answer in time", path), ErrorKind::timed_out);
  int number = ec.category() == boost::system::system_category() ? ec.value() : ECONNRESET;
  return Error::system("ask " + path, number);
}

asio::awaitable<Result<Response>> talk(Stream& stream, const std::string& path, Request request) {
  beast::error_code ec;
  co_await http::async_write(stream, request, asio::redirect_error(asio::use_awaitable, ec));
  // A server that refuses a request by its length may answer and close before it has read all: then there is an answer to read.
  if (ec && ec != beast::errc::broken_pipe) co_return std::unexpected(lost(path, ec));
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(limits::api_answer);
  co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, ec));
  if (ec) co_return std::unexpected(lost(path, ec));
  co_return parser.release();
}

Result<Response> exchange(const std::string& path, Request request, std::chrono::milliseconds limit) {
  auto deadline = std::chrono::steady_clock::now() + limit;
  TRY_ASSIGN(UniqueFd socket, connect_to_keeper(path, limit));
  request.set(http::field::host, "vm");
  request.keep_alive(false);
  request.prepare_payload();
  asio::io_context loop(1);
  Stream stream(asio::local::stream_protocol::socket(loop, asio::local::stream_protocol(), socket.release()));
  stream.expires_at(deadline);
  Result<Response> result = fail("ask " + path + ": interrupted");
  asio::co_spawn(loop, talk(stream, path, std::move(request)), [&](std::exception_ptr thrown, Result<Response> answer) {
    if (!thrown) result = std::move(answer);
  });
  loop.run();
  TRY_ASSIGN(Response response, std::move(result));
  if (response.result_int() >= 300) return std::unexpected(refusal(response.result_int(), response.body()));
  return response;
}

Result<json::value> parsed(const std::string& path, const Response& response) {
  boost::system::error_code ec;
  json::value value = json::parse(response.body(), ec);
  if (ec) return fail(fmt::format("{} answered what is no JSON: {}", path, ec.message()));
  return value;
}

}  // namespace

Error refusal(unsigned status, std::string_view body) {
  ErrorKind kind = ErrorKind::failed;
  switch (status) {
    case 400: kind = ErrorKind::usage; break;
    case 404: kind = ErrorKind::not_found; break;
    case 409: kind = ErrorKind::conflict; break;
    case 504: kind = ErrorKind::timed_out; break;
    default: break;
  }
  boost::system::error_code ec;
  json::value problem = json::parse(json::string_view(body.data(), body.size()), ec);
  if (!ec && problem.is_object()) {
    const json::value* detail = problem.get_object().if_contains("detail");
    if (detail && detail->is_string()) return Error(std::string(detail->get_string()), kind);
  }
  return Error(fmt::format("the keeper refused with status {}", status), kind);
}

Result<json::value> ApiClient::get(const std::string& target, std::chrono::milliseconds limit) const {
  TRY_ASSIGN(Response response, exchange(socket_path_, Request(http::verb::get, target, 11), limit));
  return parsed(socket_path_, response);
}

Result<json::value> ApiClient::put(const std::string& target, const json::object& body, std::chrono::milliseconds limit) const {
  Request request(http::verb::put, target, 11, json::serialize(body));
  request.set(http::field::content_type, "application/json");
  TRY_ASSIGN(Response response, exchange(socket_path_, std::move(request), limit));
  return parsed(socket_path_, response);
}

Result<> ApiClient::post(const std::string& target, std::string_view bytes, std::chrono::milliseconds limit) const {
  Request request(http::verb::post, target, 11, std::string(bytes));
  request.set(http::field::content_type, "application/octet-stream");
  TRY_ASSIGN(Response response, exchange(socket_path_, std::move(request), limit));
  (void)response;
  return {};
}

}  // namespace vmline::cli
