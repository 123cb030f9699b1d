// SPDX-License-Identifier: Apache-2.0
// One message with at most one descriptor, out and in, over the SEQPACKET pair. Never blocks.
#pragma once
#include "base/unique_fd.hpp"
#include "wire/holder/messages.hpp"

namespace vmline::holder {

namespace wire = vmline::wire::holder;

enum class Sent {
  done,
  full,    ///< the socket takes no more: wait for POLLOUT
  wait,    ///< ETOOMANYREFS and the like: the kernel has too many descriptors in flight, try again a little later
  broken,  ///< the other side is gone
};
/// `fd` goes with it when it is not -1.
Sent send_message(int socket, const wire::Message& message, int fd);

enum class Received {
  message,
  nothing,  ///< none there
  reset,    ///< the other side died with messages unread: what it had sent is still to be read
  closed,
  malformed,  ///< not a message of this protocol; read and thrown away
};
/// A descriptor that did not arrive, because we are at our limit, leaves `fd` empty.
Received receive_message(int socket, wire::Message& message, UniqueFd& fd);

}  // namespace vmline::holder
