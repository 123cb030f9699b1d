// SPDX-License-Identifier: Apache-2.0
// See vm_config.hpp. Every device of a line is named, the absent ones as Off: Cloud Hypervisor's own default for console is Tty.
#include "vmm/cloud_hypervisor/vm_config.hpp"

#include <boost/json.hpp>

#include "vmm/cloud_hypervisor/lines.hpp"
#include "vmm/disks.hpp"
#include "vmm/guest.hpp"
#include "vmm/merge_patch.hpp"
#include "vmm/network_names.hpp"
#include "vmm/virtiofsd.hpp"

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

// The image type is given always: a guest that writes a header into a raw disk must not turn it into another format.
json::array disks(const api::Spec& spec, const Endpoints& endpoints) {
  json::array out;
  for (const api::Disk& disk : disks_of(spec, endpoints)) {
    out.push_back(json::object{{"path", disk.path}, {"readonly", disk.readonly}, {"image_type", disk.format == "qcow2" ? "Qcow2" : "Raw"}});
  }
  return out;
}

Result<json::array> networks(const api::Spec& spec) {
  json::array out;
  TRY_ASSIGN(const std::vector<NetworkDevice> devices, network_devices(spec));
  for (const NetworkDevice& device : devices) {
    // One queue each way.
    out.push_back(json::object{{"tap", device.tap}, {"mac", device.mac}, {"num_queues", 2}, {"queue_size", 256}});
  }
  return out;
}

json::array shares(const api::Spec& spec, const Endpoints& endpoints) {
  json::array out;
  for (const ShareDevice& share : share_devices(spec, endpoints)) {
    out.push_back(json::object{{"tag", share.tag}, {"socket", share.socket}, {"num_queues", 1}, {"queue_size", share_queue_size}});
  }
  return out;
}

Result<> merge(json::object& config, const std::string& text) {
  if (text.empty()) return {};
  boost::system::error_code error;
  json::value patch = json::parse(text, error);
  if (error || !patch.is_object()) return fail("monitor_config is no JSON object", ErrorKind::usage);
  json::value merged = std::move(config);
  merge_patch(merged, patch);
  config = std::move(merged.get_object());
  return {};
}

}  // namespace

Result<json::object> vm_config(const api::Spec& spec, const Endpoints& endpoints) {
  TRY_ASSIGN(const std::vector<LineMode> lines, choose_modes(spec, endpoints));
  json::object out{{"payload", payload(spec)},
                   {"cpus", {{"boot_vcpus", spec.cpus}, {"max_vcpus", spec.cpus}}},
                   {"memory", {{"size", spec.memory}}},
                   {"serial", {{"mode", "Off"}}},
                   {"console", {{"mode", "Off"}}}};
  // virtiofsd reads and writes the guest's memory itself.
  if (!spec.shares.empty()) out["memory"].as_object()["shared"] = true;
  if (!spec.machine_id.empty()) out["platform"] = {{"uuid", spec.machine_id}};
  TRY_ASSIGN(json::array nets, networks(spec));
  json::array blocks = disks(spec, endpoints);
  if (!blocks.empty()) out["disks"] = std::move(blocks);
  if (!nets.empty()) out["net"] = std::move(nets);
  if (!spec.shares.empty()) out["fs"] = shares(spec, endpoints);
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
  TRY(merge(out, spec.monitor_config));
  return out;
}

}  // namespace vmline::vmm::cloud_hypervisor
