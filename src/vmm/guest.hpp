// SPDX-License-Identifier: Apache-2.0
// What a spec means for the guest, the same under every monitor: which device a line is, the kernel's command line, what is needed to boot.
#pragma once
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "wire/api/spec.hpp"

namespace vmline::vmm {

enum class LineDevice {
  serial,   ///< a 16550 UART: serial0, and any name but the following
  console,  ///< a virtio console: console0, …
  debug,    ///< the debug port 0xe9: debug0
};
[[nodiscard]] LineDevice device_of(std::string_view line_name);

/// Why nobody can type on that line, whatever the monitor; empty: nothing speaks against it.
[[nodiscard]] std::string no_input_of(const api::Spec& spec, std::string_view line_name);

/// The spec's, else console=ttyS0, and with a root disk root=/dev/vda1 rw ds=nocloud: cloud-init looks for a seed, and for no cloud.
[[nodiscard]] std::string command_line_of(const api::Spec& spec);

/// An error where nothing could boot, or a part of the spec would be ignored: an initramfs without a kernel, two lines on the debug port,
/// two seeds.
[[nodiscard]] Result<> check_guest(const api::Spec& spec);

}  // namespace vmline::vmm
