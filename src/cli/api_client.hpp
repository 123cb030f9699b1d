// SPDX-License-Identifier: Apache-2.0
// Requests to a keeper over its control socket (docs/control-api.md), one connection each, each with a time limit.
#pragma once
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace vmline::cli {

class ApiClient {
 public:
  explicit ApiClient(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  [[nodiscard]] const std::string& socket_path() const { return socket_path_; }

  // An answer that says no comes back as its sentence and kind; a keeper that is not there or went away as a lost connection
  // (connection.hpp); one that takes too long as timed_out.
  [[nodiscard]] Result<boost::json::value> get(const std::string& target, std::chrono::milliseconds limit) const;
  [[nodiscard]] Result<boost::json::value> put(const std::string& target, const boost::json::object& body,
                                               std::chrono::milliseconds limit) const;
  /// POST of bytes, answered by nothing.
  [[nodiscard]] Result<> post(const std::string& target, std::string_view bytes, std::chrono::milliseconds limit) const;

 private:
  std::string socket_path_;
};

/// The error that an answer with this status stands for: its problem document's `detail`, else what the status says.
[[nodiscard]] Error refusal(unsigned status, std::string_view body);

}  // namespace vmline::cli
