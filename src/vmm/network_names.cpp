// SPDX-License-Identifier: Apache-2.0
// See network_names.hpp.
#include "vmm/network_names.hpp"

#include <fmt/format.h>

#include "base/limits.hpp"
#include "vmm/process_place.hpp"
#include "vmm/sha256.hpp"

namespace vmline::vmm {
namespace {

std::string made_tap(const api::Spec& spec, std::size_t index) {
  constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  auto hash = sha256(fmt::format("{}/{}", spec.machine_id.empty() ? spec.name : spec.machine_id, index));
  std::string name = "vl";
  for (std::size_t i = 0; name.size() < limits::interface_name; ++i) name += alphabet[hash[i] % alphabet.size()];
  return name;
}

std::string made_mac(const api::Spec& spec, std::size_t index) {
  auto hash = sha256(index == 0 ? spec.name : fmt::format("{}/{}", spec.name, index));
  return fmt::format("52:54:00:{:02x}:{:02x}:{:02x}", hash[0], hash[1], hash[2]);
}

/// As the kernel takes an interface's name.
bool is_interface_name(const std::string& name) {
  if (name.size() > limits::interface_name || name == "." || name == "..") return false;
  for (char c : name) {
    if (c == '/' || c == ':' || c == '%' || static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return false;
  }
  return true;
}

}  // namespace

Result<std::vector<NetworkDevice>> network_devices(const api::Spec& spec) {
  std::vector<NetworkDevice> devices;
  for (std::size_t i = 0; i < spec.networks.size(); ++i) {
    const api::Network& network = spec.networks[i];
    if (!is_interface_name(network.tap)) {
      return fail(fmt::format("network {}: {} is no interface's name: at most {} bytes, without / : % and white space", i, network.tap,
                              limits::interface_name),
                  ErrorKind::usage);
    }
    NetworkDevice device{network.tap.empty() ? made_tap(spec, i) : network.tap, network.mac.empty() ? made_mac(spec, i) : network.mac};
    for (std::size_t j = 0; j < devices.size(); ++j) {
      if (devices[j].tap == device.tap)
        return fail(fmt::format("networks {} and {} are both on TAP {}", j, i, device.tap), ErrorKind::usage);
      if (devices[j].mac == device.mac) return fail(fmt::format("networks {} and {} both have MAC {}", j, i, device.mac), ErrorKind::usage);
    }
    devices.push_back(std::move(device));
  }
  return devices;
}

Result<std::vector<Tap>> plan_taps(const api::Spec& spec) {
  TRY_ASSIGN(const std::vector<NetworkDevice> devices, network_devices(spec));
  std::vector<Tap> taps;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    taps.push_back({devices[i].tap, spec.networks[i].bridge, netns_path(spec.netns), spec.networks[i].ours});
  }
  return taps;
}

}  // namespace vmline::vmm
