// SPDX-License-Identifier: Apache-2.0
// sendmsg and recvmsg with SCM_RIGHTS, and what each of their errors means for a pair of processes that both can die.
#include "holder/passing.hpp"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace vmline::holder {

namespace {

union Control {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

}  // namespace

Sent send_message(int socket, const wire::Message& message, int fd) {
  iovec part{const_cast<wire::Message*>(&message), sizeof(message)};
  Control control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (fd >= 0) {
    header.msg_control = control.bytes;
    header.msg_controllen = CMSG_LEN(sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    ::memcpy(CMSG_DATA(rights), &fd, sizeof(int));
  }
  if (::sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return Sent::done;
  switch (errno) {
    case EAGAIN: return Sent::full;
    case ETOOMANYREFS:
    case ENOBUFS:
    case ENOMEM:
    case EINTR:
    case ECONNRESET:  // told once, on whichever call comes first; the next call tells how it really stands
      return Sent::wait;
    default: return Sent::broken;
  }
}

Received receive_message(int socket, wire::Message& message, UniqueFd& fd) {
  fd.reset();
  iovec part{&message, sizeof(message)};
  Control control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = CMSG_LEN(sizeof(int));  // not CMSG_SPACE: its padding has room for a second descriptor
  const ssize_t length = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0) {
    if (errno == EAGAIN || errno == EINTR) return Received::nothing;
    return errno == ECONNRESET ? Received::reset : Received::closed;
  }
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS || item->cmsg_len < CMSG_LEN(sizeof(int))) continue;
    int arrived = -1;
    ::memcpy(&arrived, CMSG_DATA(item), sizeof(int));
    fd.reset(arrived);
  }
  if (length == 0) return Received::closed;
  const bool whole = length == sizeof(message) && (header.msg_flags & MSG_TRUNC) == 0;
  if (!whole || ::memchr(message.name, 0, sizeof(message.name)) == nullptr) {
    fd.reset();
    return Received::malformed;
  }
  return Received::message;
}

}  // namespace vmline::holder
