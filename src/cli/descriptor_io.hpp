// SPDX-License-Identifier: Apache-2.0
// Waiting for, and writing to, descriptors that are not ours alone (stdin, stdout): their O_NONBLOCK belongs to the shell and to whoever
// else has them too, so it is never set.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace vmline::cli {

namespace asio = boost::asio;

/// Tells when a borrowed descriptor can be read or written.
class Readiness {
 public:
  enum class For { reading, writing };
  static Result<Readiness> create(asio::io_context& loop, int fd, For purpose);
  /// At once where it is a file, which is always ready.
  asio::awaitable<void> wait();

 private:
  explicit Readiness(std::optional<asio::posix::stream_descriptor> epoll) : epoll_(std::move(epoll)) {}
  std::optional<asio::posix::stream_descriptor> epoll_;  ///< an epoll with the descriptor in it: it may be made non-blocking
};

/// Writes to a borrowed descriptor without ever holding the loop up for long.
class PatientOutput {
 public:
  static Result<PatientOutput> create(asio::io_context& loop, int fd);
  asio::awaitable<Result<>> write(std::string_view text);

 private:
  PatientOutput(UniqueFd own, int fd, Readiness readiness) : own_(std::move(own)), fd_(fd), readiness_(std::move(readiness)) {}
  UniqueFd own_;  ///< an open of our own, non-blocking, where the descriptor could be opened anew
  int fd_;
  Readiness readiness_;
};

}  // namespace vmline::cli
