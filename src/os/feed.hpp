// SPDX-License-Identifier: Apache-2.0
// Spool → raw client: sendfile without an offset moves the bytes and the cursor's position together, so that a SIGKILL leaves both
// agreeing.
#pragma once
#include <cstddef>

namespace vmline::os {

enum class FeedResult { sent, later, gone, stuck };

struct Fed {
  FeedResult result{};
  std::size_t bytes = 0;  ///< by which the cursor moved
};

/// Sends at most `most` bytes from the cursor's position; the socket is non-blocking. `stuck`: before Linux 6.5 even a non-blocking
/// sendfile waits for a peer that sits in a page fault inside its recv; a SendGuard breaks that, and the client is to be dropped.
Fed feed(int socket, int cursor, std::size_t most);

/// While it lives, a 50 ms interval timer interrupts a sendfile that hangs (on kernels that need it; SIGALRM's handler restarts nothing).
class SendGuard {
 public:
  explicit SendGuard(bool needed);
  ~SendGuard();
  SendGuard(const SendGuard&) = delete;
  SendGuard& operator=(const SendGuard&) = delete;

  /// Whether this kernel needs it: Linux before 6.5. Installs the handler when it does.
  static bool prepare();

 private:
  bool needed_;
};

}  // namespace vmline::os
