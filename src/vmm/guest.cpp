// SPDX-License-Identifier: Apache-2.0
// See guest.hpp.
#include "vmm/guest.hpp"

#include "vmm/disks.hpp"

namespace vmline::vmm {

LineDevice device_of(std::string_view line_name) {
  if (line_name.starts_with("console")) return LineDevice::console;
  if (line_name.starts_with("debug")) return LineDevice::debug;
  return LineDevice::serial;
}

std::string command_line_of(const api::Spec& spec) {
  if (spec.cmdline) return *spec.cmdline;
  return root_disk_of(spec) ? "console=ttyS0 root=/dev/vda1 rw ds=nocloud" : "console=ttyS0";
}

std::string no_input_of(const api::Spec& spec, std::string_view line_name) {
  for (const api::LineSpec& line : spec.lines) {
    if (line.name == line_name && !line.input) return "the spec says input: false";
  }
  return device_of(line_name) == LineDevice::debug ? "the debug port has no input" : "";
}

Result<> check_guest(const api::Spec& spec) {
  if (!spec.initramfs.empty() && spec.kernel.empty()) return fail("an initramfs without a kernel cannot be booted", ErrorKind::usage);
  if (spec.cmdline && spec.kernel.empty()) return fail("a cmdline without a kernel reaches nobody", ErrorKind::usage);
  if (spec.kernel.empty() && spec.firmware.empty() && !root_disk_of(spec)) {
    return fail("there is nothing to boot: give a kernel, a firmware or a disk", ErrorKind::usage);
  }
  if (spec.cloud_init && !spec.seed.empty())
    return fail("a seed is given, and cloud_init to make one from: one of the two", ErrorKind::usage);
  int debug = 0;
  for (const api::LineSpec& line : spec.lines) debug += device_of(line.name) == LineDevice::debug;
  if (debug > 1) return fail("there is one debug port, and more than one line is named debug…", ErrorKind::usage);
  return {};
}

}  // namespace vmline::vmm
