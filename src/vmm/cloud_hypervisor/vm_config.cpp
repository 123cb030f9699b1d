// SPDX-License-Identifier: Apache-2.0
// See vm_config.hpp. Every device of a line is named, the absent ones as Off: Cloud Hypervisor's own default for console is Tty.
#include "vmm/cloud_hypervisor/vm_config.hpp"

#include <boost/json.hpp>

#include "vmm/cloud_hypervisor/lines.hpp"
#include "vmm/guest.hpp"

namespace vmline::vmm::cloud_hypervisor {
namespace {

namespace json = boost::json;

json::object payload(const api::Spec& spec) {
  json::object out;
  if (!spec.firmware.empty()) out["firmware"] = spec.firmware;
  if (!spec.kernel.empty()) {
    out["kernel"] = spec.kernel;
    out["cmdline"] = command_line_of(spec);
  }
  if (!spec.initramfs.empty()) out["initramfs"] = spec.initramfs;
  return out;
}

json::object device(const LineMode& line) {
  switch (line.mode) {
    case LineMode::Mode::tty: return {{"mode", "Tty"}};
    case LineMode::Mode::file: return {{"mode", "File"}, {"file", line.path}};
    case LineMode::Mode::socket: break;
  }
  return {{"mode", "Socket"}, {"socket", line.path}};
}

}  // namespace

Result<json::object> vm_config(const api::Spec& spec, const Endpoints& endpoints) {
  TRY_ASSIGN(const std::vector<LineMode> lines, choose_modes(endpoints));
  json::array disks;
  // The image type is given always: a guest that writes a header into a raw disk must not turn it into another format.
  for (const api::Disk& disk : spec.disks) {
    disks.push_back(json::object{{"path", disk.path}, {"readonly", disk.readonly}, {"image_type", "Raw"}});
  }
  json::object out{{"payload", payload(spec)},
                   {"cpus", {{"boot_vcpus", spec.cpus}, {"max_vcpus", spec.cpus}}},
                   {"memory", {{"size", spec.memory}}},
                   {"serial", {{"mode", "Off"}}},
                   {"console", {{"mode", "Off"}}}};
  if (!disks.empty()) out["disks"] = std::move(disks);
  for (const LineMode& line : lines) {
    switch (line.device) {
      case LineDevice::serial: out["serial"] = device(line); break;
      case LineDevice::console: out["console"] = device(line); break;
      case LineDevice::debug: {
        json::object port = device(line);
        port["iobase"] = 0xe9;
        out["debug_console"] = std::move(port);
      }
    }
  }
  return out;
}

}  // namespace vmline::vmm::cloud_hypervisor
