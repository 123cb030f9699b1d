// SPDX-License-Identifier: Apache-2.0
// A raw pty; see pty.hpp.
#include "os/pty.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

namespace vmline::os {

Result<UniqueFd> open_slave(int master) {
  int fd = ::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return fail_errno("open the slave of a pty");
  return UniqueFd(fd);
}

Result<Pty> Pty::create(Mode kind) {
  UniqueFd master(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!master) return fail_errno("open /dev/ptmx");
  if (::unlockpt(master.get()) != 0) return fail_errno("unlock a pty");
  TRY_ASSIGN(UniqueFd slave, open_slave(master.get()));
  if (::fchmod(slave.get(), 0) != 0) return fail_errno("close a pty to others");
  termios mode{};
  if (::tcgetattr(slave.get(), &mode) != 0) return fail_errno("read a pty's mode");
  if (kind == Mode::raw) ::cfmakeraw(&mode);
  mode.c_lflag &= ~static_cast<tcflag_t>(ECHO);  // nobody reads what it would echo
  if (::tcsetattr(slave.get(), TCSANOW, &mode) != 0) return fail_errno("set a pty's mode");
  return Pty{std::move(master), std::move(slave)};
}

}  // namespace vmline::os
