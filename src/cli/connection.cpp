// SPDX-License-Identifier: Apache-2.0
// A connection to a keeper's control socket; see connection.hpp.
#include "cli/connection.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "os/unix_socket.hpp"

namespace vmline::cli {

Result<UniqueFd> connect_to_keeper(const std::string& path, std::chrono::milliseconds limit) {
  TRY(os::check_socket_path(path));
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("make a socket");
  // A blocking connect waits for room in the listener's queue, and SO_SNDTIMEO bounds it; a non-blocking one would have to poll.
  timeval time{.tv_sec = limit.count() / 1000, .tv_usec = limit.count() % 1000 * 1000};
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) != 0) return fail_errno("set a socket's time limit");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return socket;
  Error error = Error::system("connect to " + path, errno);
  return std::unexpected(error.number() == EAGAIN ? error.as(ErrorKind::timed_out) : error);
}

bool is_lost_connection(const Error& error) {
  switch (error.number()) {
    case ENOENT:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE: return true;
    default: return false;
  }
}

}  // namespace vmline::cli
