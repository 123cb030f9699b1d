// SPDX-License-Identifier: Apache-2.0
// See requests.hpp.
#include "vmm/firecracker/requests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <string_view>

#include "vmm/disks.hpp"
#include "vmm/guest.hpp"
#include "vmm/merge_patch.hpp"
#include "vmm/network_names.hpp"

namespace vmline::vmm::firecracker {
namespace {

namespace json = boost::json;

// Sections that others depend on, in the order of Firecracker's own reader; the rest comes after them, and boot-source last.
constexpr std::array<std::string_view, 7> first_sections = {
    "logger", "metrics", "machine-config", "cpu-config", "drives", "network-interfaces", "mmds-config"};
constexpr std::string_view last_section = "boot-source";

json::array drives(const api::Spec& spec, const Endpoints& endpoints) {
  json::array out;
  for (const api::Disk& disk : disks_of(spec, endpoints)) {
    // Never as its root device: Firecracker would add root=/dev/vda to the command line, and the last one counts. In this order the root
    // disk is vda all the same. Writeback: its default tells the guest that a flush is done without doing it.
    out.push_back(json::object{{"drive_id", fmt::format("disk{}", out.size())},
                               {"path_on_host", disk.path},
                               {"is_root_device", false},
                               {"is_read_only", disk.readonly},
                               {"cache_type", disk.readonly ? "Unsafe" : "Writeback"}});
  }
  return out;
}

Result<json::array> network_interfaces(const api::Spec& spec) {
  TRY_ASSIGN(const std::vector<NetworkDevice> devices, network_devices(spec));
  json::array out;
  for (const NetworkDevice& device : devices) {
    out.push_back(json::object{{"iface_id", fmt::format("net{}", out.size())}, {"host_dev_name", device.tap}, {"guest_mac", device.mac}});
  }
  return out;
}

Result<json::object> ours(const api::Spec& spec, const Endpoints& endpoints) {
  json::object boot{{"kernel_image_path", spec.kernel}};
  // By the keyboard controller: all the reset that Firecracker has. A panic that waits for ever would be no end of it.
  boot["boot_args"] = command_line_of(spec) + (spec.cmdline ? "" : " reboot=k panic=1");
  if (!spec.initramfs.empty()) boot["initrd_path"] = spec.initramfs;
  json::object out{{"machine-config", {{"vcpu_count", spec.cpus}, {"mem_size_mib", spec.memory >> 20}}}};
  if (json::array all = drives(spec, endpoints); !all.empty()) out["drives"] = std::move(all);
  TRY_ASSIGN(json::array interfaces, network_interfaces(spec));
  if (!interfaces.empty()) out["network-interfaces"] = std::move(interfaces);
  out[last_section] = std::move(boot);
  return out;
}

Result<json::object> theirs(const api::Spec& spec) {
  if (spec.monitor_config.empty()) return json::object{};
  boost::system::error_code error;
  json::value value = json::parse(spec.monitor_config, error);
  if (error || !value.is_object()) return fail("monitor_config is not a JSON object", ErrorKind::usage);
  return std::move(value.get_object());
}

/// What may stand in a request's target: a name with a line break would be a request of its own.
bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

/// Where its endpoint has another name than the section.
std::string target_of(std::string_view section) {
  if (section == "mmds-config") return "/mmds/config";
  if (section == "memory-hotplug") return "/hotplug/memory";
  return "/" + std::string(section);
}

/// An element's id, by which its endpoint is called: drive_id, iface_id, id.
std::string_view id_of(const json::value& element) {
  if (!element.is_object()) return {};
  for (const auto& [key, value] : element.get_object()) {
    if ((key == "id" || std::string_view(key).ends_with("_id")) && value.is_string() && is_name(value.get_string())) {
      return value.get_string();
    }
  }
  return {};
}

Result<> add(std::vector<Put>& out, std::string_view section, const json::value& value) {
  auto refuse = [section](std::string_view expected) {
    return fail(fmt::format("monitor_config {}: {}", json::serialize(json::string(section)), expected), ErrorKind::usage);
  };
  // Not settings but acts: they would start it before it is complete.
  if (!is_name(section) || section == "actions" || section == "vm" || section == "snapshot") {
    return refuse("is no section of firecracker's configuration");
  }
  if (value.is_object()) {
    if (section == "serial" && value.get_object().contains("serial_out_path")) {
      return refuse("serial_out_path would take the line away from vmline");
    }
    out.push_back({target_of(section), json::serialize(value)});
    return {};
  }
  if (!value.is_array()) return refuse("expected an object, or an array of objects");
  for (const json::value& element : value.get_array()) {
    std::string_view id = id_of(element);
    if (id.empty()) return refuse("expected an id of letters, digits, - and _ in each element (drive_id, iface_id, id)");
    out.push_back({target_of(section) + "/" + std::string(id), json::serialize(element)});
  }
  return {};
}

}  // namespace

Result<std::vector<Put>> config_requests(const api::Spec& spec, const Endpoints& endpoints) {
  TRY_ASSIGN(const json::object patch, theirs(spec));
  TRY_ASSIGN(json::value merged, ours(spec, endpoints));
  merge_patch(merged, patch);
  const json::object& config = merged.get_object();
  std::vector<Put> out;
  for (std::string_view section : first_sections) {
    if (const json::value* value = config.if_contains(section)) TRY(add(out, section, *value));
  }
  for (const auto& [section, value] : config) {
    bool placed = section == last_section || std::ranges::find(first_sections, std::string_view(section)) != first_sections.end();
    if (!placed) TRY(add(out, section, value));
  }
  if (const json::value* value = config.if_contains(last_section)) TRY(add(out, last_section, *value));
  return out;
}

Result<std::string> vsock_path(const api::Spec& spec) {
  TRY_ASSIGN(const json::object patch, theirs(spec));
  const json::value* vsock = patch.if_contains("vsock");
  const json::value* path = vsock && vsock->is_object() ? vsock->get_object().if_contains("uds_path") : nullptr;
  if (!path || !path->is_string()) return std::string();
  std::string out(path->get_string());
  if (!out.starts_with('/')) return fail("monitor_config \"vsock\": expected an absolute path as uds_path", ErrorKind::usage);
  return out;
}

}  // namespace vmline::vmm::firecracker
