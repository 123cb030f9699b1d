// SPDX-License-Identifier: Apache-2.0
// Ends a running VM, over the death of its keeper, until nothing of it runs.
#pragma once
#include <boost/json/object.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "cli/context.hpp"

namespace vmline::cli {

enum class Ending { stop, kill };

/// The keeper's answer; "already" is true where nothing ran. `lock`: the VM's command lock, where the caller has it.
Result<boost::json::object> end_vm(const Context& context, const std::string& name, Ending ending,
                                   std::optional<std::chrono::milliseconds> timeout, const os::CommandLock* lock);

}  // namespace vmline::cli
