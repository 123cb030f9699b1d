// SPDX-License-Identifier: Apache-2.0
// Network namespaces by path. A namespace is a thread's, so what is to be done in one is done by a thread made for it, never by the
// caller's.
#pragma once
#include <functional>
#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace vmline::os {

/// The network namespace at `path`: /run/netns/NAME, /proc/PID/ns/net. An error says what is there instead.
Result<UniqueFd> open_netns(const std::string& path);

/// Runs `work` inside the network namespace at `path`, on a thread of its own that has ended when this returns; an empty path is the
/// caller's own namespace, and no thread. The error is of the way in alone: `work` hands its own out by reference, and must not throw.
Result<> in_netns(const std::string& path, const std::function<void()>& work);

}  // namespace vmline::os
