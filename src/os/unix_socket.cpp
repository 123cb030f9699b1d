// SPDX-License-Identifier: Apache-2.0
// Unix stream sockets by path; see unix_socket.hpp.
#include "os/unix_socket.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/limits.hpp"
#include "os/files.hpp"

namespace vmline::os {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<UniqueFd> new_socket() {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("make a socket");
  return socket;
}

}  // namespace

Result<> check_socket_path(const std::string& path) {
  if (path.size() <= limits::socket_path) return {};
  return fail(fmt::format("the socket path {} has {} bytes, and a Unix socket's path can have {}: use a shorter --root or name", path,
                          path.size(), limits::socket_path),
              ErrorKind::usage);
}

Result<UniqueFd> connect_to(const std::string& path) {
  TRY(check_socket_path(path));
  TRY_ASSIGN(UniqueFd socket, new_socket());
  sockaddr_un address = address_of(path);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return fail_errno("connect to " + path);
  return socket;
}

Result<> remove_stale_socket(const std::string& path) {
  struct stat st{};
  if (::lstat(path.c_str(), &st) != 0) return {};
  if (!S_ISSOCK(st.st_mode)) return fail(path + " is there and no socket: remove it", ErrorKind::conflict);
  auto other = connect_to(path);
  if (other || other.error().number() == EAGAIN) return fail("somebody listens on " + path + " already", ErrorKind::conflict);
  return remove_file(path);
}

Result<UniqueFd> listen_at(const std::string& path) {
  TRY(check_socket_path(path));
  TRY(remove_stale_socket(path));
  TRY_ASSIGN(UniqueFd socket, new_socket());
  sockaddr_un address = address_of(path);
  // The mode is right from birth: between bind and chmod others could connect.
  mode_t before = ::umask(0177);
  int result = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  int error = errno;
  ::umask(before);
  if (result != 0) return std::unexpected(Error::system("bind " + path, error));
  if (::listen(socket.get(), 4096) != 0) return fail_errno("listen on " + path);
  return socket;
}

}  // namespace vmline::os
