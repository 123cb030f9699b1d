// SPDX-License-Identifier: Apache-2.0
// A request's target, "/v1/lines/serial0/stream?from=tail", taken apart and percent-decoded. Pure; whatever comes in, what comes out is
// printable ASCII, so that it can stand in any error and any JSON.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace vmline::keeper {

struct Parameter {
  std::string name;
  std::string value;
};

struct Target {
  std::vector<std::string> path;  ///< "v1", "lines", …; a slash too many gives an empty one, which no route has
  std::vector<Parameter> query;   ///< no name twice
};

/// Origin form only. The error says what is wrong and where.
[[nodiscard]] Result<Target> parse_target(std::string_view text);

}  // namespace vmline::keeper
