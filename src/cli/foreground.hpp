// SPDX-License-Identifier: Apache-2.0
// `--foreground`: stays with a VM until it ends, its first line on stdout. For systemd, and as a pod's process 1.
#pragma once
#include <string>

#include "base/error.hpp"
#include "cli/context.hpp"
#include "cli/launch.hpp"

namespace vmline::cli {

/// 0 when the VM has stopped, 1 when it has failed. SIGTERM and SIGINT stop it in order, once more kills it.
Result<int> stay(const Context& context, const std::string& name, const Launched& launched);

}  // namespace vmline::cli
