// SPDX-License-Identifier: Apache-2.0
// One message with at most one descriptor over a SEQPACKET socket: how holder and keeper talk (wire/holder/messages.hpp).
#pragma once
#include <optional>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "wire/holder/messages.hpp"

namespace vmline::os {

struct Packet {
  wire::holder::Message message;
  UniqueFd descriptor;           ///< none: there was none, or our table was full
  bool descriptor_lost = false;  ///< MSG_CTRUNC: one was sent, and our table was full
};

enum class SendResult { sent, later, gone };  ///< later: the queue is full, or too many descriptors are in flight

SendResult send_packet(int socket, const wire::holder::Message& message, int descriptor = -1);

/// The next message; nothing when there is none yet. `conflict` when the other end is gone and all it had sent has been read: a peer that
/// died with unread messages gives one ECONNRESET first, after which what it had sent is still to be read.
Result<std::optional<Packet>> receive_packet(int socket);

}  // namespace vmline::os
