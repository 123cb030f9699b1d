// SPDX-License-Identifier: Apache-2.0
// Waits until the holder and keeper of a VM that was stopped are gone, so that the next command finds nothing half left.
#pragma once
#include <boost/json/object.hpp>
#include <chrono>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "os/places.hpp"

namespace vmline::cli {

class Departure {
 public:
  /// To be made while they live: `vm` is what the keeper tells of itself and its holder.
  Departure(const os::Places& places, std::string_view name, const boost::json::object& vm);
  Result<> wait(std::chrono::milliseconds limit) const;

 private:
  const os::Places& places_;
  std::string name_;
  std::vector<UniqueFd> processes_;  ///< pidfds
};

}  // namespace vmline::cli
