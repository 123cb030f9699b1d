// SPDX-License-Identifier: Apache-2.0
// Makes a VM run: a new one, a stopped one with a new spec, a stopped one with its stored spec. What fails leaves nothing behind.
#pragma once
#include <boost/json/object.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/units.hpp"
#include "cli/finder.hpp"
#include "wire/api/spec.hpp"

namespace vmline::cli {

struct Launched {
  boost::json::object vm;       ///< as GET /v1/vm tells it, or as it was left if it has ended already
  std::optional<Offset> begin;  ///< where the first line goes on; nothing when that is not known
};

/// conflict where a VM of this name runs. A start that is asked to stop is given up.
Result<Launched> launch(const Finder& finder, const api::Spec& spec, const std::stop_token& stop);
/// From the stored spec; conflict where it runs.
Result<Launched> launch_again(const Finder& finder, std::string_view name, const std::stop_token& stop);

/// The first of vm1, vm2, … that is free.
Result<std::string> free_name(const os::Places& places);

/// Removes what a VM left in RUN and on the tmpfs. The caller has its lock, and no holder of it lives.
Result<> clear_run(const os::Places& places, std::string_view name);

}  // namespace vmline::cli
