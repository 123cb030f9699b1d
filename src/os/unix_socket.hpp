// SPDX-License-Identifier: Apache-2.0
// Unix stream sockets by path, with the 107 bytes that a path may have checked before anything is tried.
#pragma once
#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace vmline::os {

/// An error with the path and its length when it does not fit.
Result<> check_socket_path(const std::string& path);

/// Makes way for who binds a socket there: one that nobody listens on is removed. One that somebody listens on, or what is no socket, is an
/// error that says so.
Result<> remove_stale_socket(const std::string& path);

/// Binds and listens, non-blocking, mode 0600; a stale socket of that path is removed first.
Result<UniqueFd> listen_at(const std::string& path);

/// Connects; the socket is non-blocking. The error's number() tells ECONNREFUSED from ENOENT.
Result<UniqueFd> connect_to(const std::string& path);

}  // namespace vmline::os
