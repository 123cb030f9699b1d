// SPDX-License-Identifier: Apache-2.0
// Starts a VM's holder, which starts its keeper, and waits for what they report. The same for a new VM, a stopped one, and one whose
// holder and keeper are gone while its monitor may live: the keeper finds out which.
#pragma once
#include <boost/json/object.hpp>
#include <functional>
#include <stop_token>
#include <string_view>

#include "base/error.hpp"
#include "cli/start_report.hpp"
#include "os/places.hpp"

namespace vmline::cli {

/// What becomes of a start that was given up, or that reports nothing for a minute.
enum class GivenUp { ended, left };

/// The caller has the VM's command lock. Returns the report's result ("state" is what the VM came to). Where it fails, the holder that was
/// started is gone when it returns, and all that it had started; `GivenUp::left`: it may go on.
Result<boost::json::object> start_holder(const os::Places& places, std::string_view name, const StartReport::Progress& progress,
                                         GivenUp given_up, std::stop_token stop = {});

/// Whether a holder of this VM lives, by its lock.
[[nodiscard]] bool holder_lives(const os::Places& places, std::string_view name);

}  // namespace vmline::cli
