// SPDX-License-Identifier: Apache-2.0
// One HTTP request on a Unix socket, with a time limit for the whole of it and a size limit for the answer.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>

#include "base/error.hpp"

namespace vmline::vmm {

struct HttpRequest {
  std::string socket;  ///< its path
  std::string method;  ///< "GET", "PUT" or "PATCH"
  std::string target;  ///< "/api/v1/vm.boot"
  std::string body;    ///< JSON, or empty
  std::chrono::milliseconds limit{};
};
struct HttpAnswer {
  unsigned status = 0;
  std::string body;
};

/// Errors are about the way there (no such socket, `timed_out`, cut off), without the target's name, and with the errno that it was; any
/// status is an answer.
[[nodiscard]] boost::asio::awaitable<Result<HttpAnswer>> ask_http(HttpRequest request);

}  // namespace vmline::vmm
