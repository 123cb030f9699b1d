// SPDX-License-Identifier: Apache-2.0
// See guest.hpp.
#include "vmm/guest.hpp"

#include <fmt/format.h>

namespace vmline::vmm {

LineDevice device_of(std::string_view line_name) {
  if (line_name.starts_with("console")) return LineDevice::console;
  if (line_name.starts_with("debug")) return LineDevice::debug;
  return LineDevice::serial;
}

std::string command_line_of(const api::Spec& spec) {
  if (spec.cmdline) return *spec.cmdline;
  return spec.disks.empty() ? "console=ttyS0" : "console=ttyS0 root=/dev/vda1 rw";
}

Result<> check_guest(const api::Spec& spec) {
  if (!spec.initramfs.empty() && spec.kernel.empty()) return fail("an initramfs without a kernel cannot be booted", ErrorKind::usage);
  if (spec.cmdline && spec.kernel.empty()) return fail("a cmdline without a kernel reaches nobody", ErrorKind::usage);
  if (spec.kernel.empty() && spec.firmware.empty() && spec.disks.empty()) {
    return fail("there is nothing to boot: give a kernel, a firmware or a disk", ErrorKind::usage);
  }
  int debug = 0;
  for (const api::LineSpec& line : spec.lines) debug += device_of(line.name) == LineDevice::debug;
  if (debug > 1) return fail("there is one debug port, and more than one line is named debug…", ErrorKind::usage);
  return {};
}

}  // namespace vmline::vmm
