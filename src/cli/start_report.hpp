// SPDX-License-Identifier: Apache-2.0
// What a holder and its keeper report while they start: lines of JSON on a pipe, at last the result. Pure and streaming.
#pragma once
#include <boost/json/object.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace vmline::cli {

class StartReport {
 public:
  using Progress = std::function<void(std::string_view)>;
  explicit StartReport(Progress progress) : progress_(std::move(progress)) {}

  /// The result once its line is complete: {"result":"ok","state":…} as it is, {"result":"error","kind":…,"detail":…} as an error.
  /// What follows it is not looked at.
  std::optional<Result<boost::json::object>> feed(std::string_view data);

 private:
  std::optional<Result<boost::json::object>> take(std::string_view line);
  Progress progress_;
  std::string line_;
};

}  // namespace vmline::cli
