// SPDX-License-Identifier: Apache-2.0
// Upgrades to WebSocket; see control_upgrade.hpp.
#include "keeper/control_upgrade.hpp"

#include <fmt/format.h>

#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

namespace vmline::keeper {

namespace http = boost::beast::http;

std::expected<std::string, Answer> read_upgrade(const UpgradeRequest& request, Route route) {
  if (!boost::beast::websocket::is_upgrade(request) || request.version() != 11 || request[http::field::sec_websocket_version] != "13") {
    return std::unexpected(problem_answer(426, "this path is a WebSocket (RFC 6455, version 13)"));
  }
  if (request.count(http::field::host) == 0) return std::unexpected(problem_answer(400, "an HTTP/1.1 request has a Host field"));
  if (request[http::field::sec_websocket_key].size() != 24) {
    return std::unexpected(problem_answer(400, "Sec-WebSocket-Key is not 16 bytes in base64"));
  }
  if (request.find(http::field::sec_websocket_protocol) == request.end()) return std::string();
  bool bytes_alone = false;
  for (auto offered : http::token_list(request[http::field::sec_websocket_protocol])) {
    if (offered == "vmline.v1") return "vmline.v1";
    bytes_alone = bytes_alone || (offered == "binary" && route == Route::line_stream);
  }
  if (bytes_alone) return "binary";
  return std::unexpected(problem_answer(400, route == Route::line_stream
                                                 ? "none of the subprotocols that are offered is vmline.v1 or binary"
                                                 : "none of the subprotocols that are offered is vmline.v1"));
}

}  // namespace vmline::keeper
