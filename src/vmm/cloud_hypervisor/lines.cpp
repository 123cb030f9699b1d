// SPDX-License-Identifier: Apache-2.0
// See lines.hpp.
#include "vmm/cloud_hypervisor/lines.hpp"

#include <fmt/format.h>

#include <array>

namespace vmline::vmm::cloud_hypervisor {

Result<std::vector<LineMode>> choose_modes(const api::Spec& spec, const Endpoints& endpoints) {
  std::vector<LineMode> modes;
  std::array<const std::string*, 3> taken{};
  bool stdin_taken = false;
  for (const LineEndpoint& line : endpoints.lines) {
    LineMode mode{.device = device_of(line.name), .mode = LineMode::Mode::file, .path = line.output_fifo};
    const std::string*& first = taken.at(static_cast<std::size_t>(mode.device));
    if (first) {
      return fail(fmt::format("cloud-hypervisor has one serial port, one console (lines named console…) and one debug port (debug…): "
                              "lines {} and {} would be the same",
                              *first, line.name),
                  ErrorKind::usage);
    }
    first = &line.name;
    if (line.upstream == api::UpstreamKind::listen) {
      return fail(fmt::format("line {}: cloud-hypervisor connects to no socket: use carried or dial", line.name), ErrorKind::usage);
    }
    if (line.upstream == api::UpstreamKind::dial) {
      if (mode.device != LineDevice::serial) {
        return fail(fmt::format("line {}: only cloud-hypervisor's serial port can be a socket", line.name), ErrorKind::usage);
      }
      mode.mode = LineMode::Mode::socket;
      mode.path = line.socket_path;
    } else if (!stdin_taken && no_input_of(spec, line.name).empty()) {
      mode.mode = LineMode::Mode::tty;
      stdin_taken = true;
    }
    modes.push_back(std::move(mode));
  }
  return modes;
}

}  // namespace vmline::vmm::cloud_hypervisor
