// SPDX-License-Identifier: Apache-2.0
// A connection to a keeper's control socket. Waits, with a limit, while more clients knock than the keeper has accepted yet.
#pragma once
#include <chrono>
#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace vmline::cli {

/// The error's number() tells ENOENT and ECONNREFUSED (nobody is there) from the rest.
Result<UniqueFd> connect_to_keeper(const std::string& path, std::chrono::milliseconds limit);

/// Nobody was there, or whoever was is gone: worth looking again, other than an answer that says no.
[[nodiscard]] bool is_lost_connection(const Error& error);

}  // namespace vmline::cli
