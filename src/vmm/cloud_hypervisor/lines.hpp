// SPDX-License-Identifier: Apache-2.0
// Which mode each of Cloud Hypervisor's line devices gets. It has one UART, one virtio console and one debug port, and one stdin: the first
// carried line that is to be typed on is Tty on stdin and stdout; the other carried ones write to their FIFO as to a file.
#pragma once
#include <string>
#include <vector>

#include "base/error.hpp"
#include "vmm/guest.hpp"
#include "vmm/plan.hpp"

namespace vmline::vmm::cloud_hypervisor {

struct LineMode {
  enum class Mode { tty, file, socket };
  LineDevice device = LineDevice::serial;
  Mode mode = Mode::tty;
  std::string path;  ///< of the FIFO or socket
};

/// One for each line, in their order. An error says what Cloud Hypervisor has no device or mode for.
[[nodiscard]] Result<std::vector<LineMode>> choose_modes(const api::Spec& spec, const Endpoints& endpoints);

}  // namespace vmline::vmm::cloud_hypervisor
