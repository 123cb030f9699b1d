// SPDX-License-Identifier: Apache-2.0
// Messages with descriptors; see seqpacket.hpp.
#include "os/seqpacket.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace vmline::os {

SendResult send_packet(int socket, const wire::holder::Message& message, int descriptor) {
  wire::holder::Message copy = message;
  iovec part{&copy, sizeof copy};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (descriptor >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(c), &descriptor, sizeof descriptor);
  }
  while (true) {
    if (::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return SendResult::sent;
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM) return SendResult::later;
    return SendResult::gone;
  }
}

Result<std::optional<Packet>> receive_packet(int socket) {
  bool reset = false;
  while (true) {
    Packet packet;
    iovec part{&packet.message, sizeof packet.message};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    ssize_t n = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return std::optional<Packet>{};
      if (errno == ECONNRESET && !reset) {
        reset = true;
        continue;
      }
      return fail_errno("receive");
    }
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(sizeof(int))) continue;
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
      packet.descriptor.reset(fd);
    }
    packet.descriptor_lost = (header.msg_flags & MSG_CTRUNC) != 0;
    if (n == 0) return fail("the other end is gone", ErrorKind::conflict);
    if (n != static_cast<ssize_t>(sizeof packet.message) || packet.message.major != wire::holder::version_major) continue;
    packet.message.name[wire::holder::name_size - 1] = 0;
    return std::optional<Packet>(std::move(packet));
  }
}

}  // namespace vmline::os
