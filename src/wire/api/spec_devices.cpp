// SPDX-License-Identifier: Apache-2.0
// Devices of a spec; see spec_devices.hpp. Reading and writing stand in the same order.
#include "wire/api/spec_devices.hpp"

#include <algorithm>
#include <array>

#include "base/limits.hpp"

namespace vmline::api {
namespace {

constexpr std::array<Choice<std::string_view>, 2> disk_formats = {{{"raw", "raw"}, {"qcow2", "qcow2"}}};

void need(ObjectReader& in, std::string_view key) {
  if (!in.has(key)) in.refuse(key, "is missing");
}

void read_disk(ObjectReader& in, Disk& disk) {
  in.path("path", disk.path, 1);
  need(in, "path");
  std::string_view format = disk.format;
  in.choice<std::string_view>("format", format, disk_formats);
  disk.format = format;
  in.flag("readonly", disk.readonly);
}

json::object write_disk(const Disk& disk) { return {{"path", disk.path}, {"format", disk.format}, {"readonly", disk.readonly}}; }

void read_interface(ObjectReader& in, std::string_view key, std::string& name) {
  in.text(key, name, limits::path);
  if (!name.empty() && !is_interface_name(name)) {
    in.refuse(key, "is not the name of a network interface: 1 to 15 printable characters, no blank, / : or %, and not . or ..");
  }
}

/// Six pairs of hexadecimal digits with colons between them, made lower case; false where it is something else.
bool normalize_mac(std::string& mac) {
  auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  std::ranges::transform(mac, mac.begin(), [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (mac.size() != 17) return false;
  for (std::size_t i = 0; i < mac.size(); ++i) {
    if (i % 3 == 2 ? mac[i] != ':' : !hex(mac[i])) return false;
  }
  bool multicast = std::string_view("13579bdf").contains(mac[1]);
  return !multicast && mac != "00:00:00:00:00:00";
}

void read_network(ObjectReader& in, Network& network) {
  read_interface(in, "tap", network.tap);
  in.text("mac", network.mac, limits::path);
  if (!network.mac.empty() && !normalize_mac(network.mac)) {
    in.refuse("mac", "is not the address of one interface: six pairs of hexadecimal digits such as 52:54:00:12:34:56");
  }
  read_interface(in, "bridge", network.bridge);
  bool ours = false;
  in.flag("ours", ours);
  if (in.has("ours")) network.ours = ours;
  if (network.ours == false && network.tap.empty()) in.refuse("ours", "leaves the TAP to somebody else, and names none: give tap");
  if (network.ours == false && !network.bridge.empty()) in.refuse("bridge", "is only for a TAP of ours: one of others is left as it is");
}

json::object write_network(const Network& network) {
  json::object out;
  if (!network.tap.empty()) out["tap"] = network.tap;
  if (!network.mac.empty()) out["mac"] = network.mac;
  if (!network.bridge.empty()) out["bridge"] = network.bridge;
  if (network.ours) out["ours"] = *network.ours;
  return out;
}

// No blank and no slash: the tag is a part of file names and of the guest's mount command.
bool is_tag(std::string_view tag) {
  return !tag.empty() && tag.size() <= limits::share_tag &&
         std::ranges::all_of(tag, [](char c) { return c > 0x20 && c < 0x7f && c != '/'; });
}

void read_share(ObjectReader& in, Share& share) {
  in.text("tag", share.tag, limits::path);
  if (!is_tag(share.tag)) in.refuse("tag", "is not a share's tag: 1 to 36 printable ASCII characters, no blank and no /");
  in.path("path", share.path, 1);
  need(in, "path");
  in.flag("readonly", share.readonly);
}

void read_cloud_init(ObjectReader& in, CloudInit& texts) {
  in.text("user_data", texts.user_data, limits::cloud_init_text);
  in.text("meta_data", texts.meta_data, limits::cloud_init_text);
  in.text("network_config", texts.network_config, limits::cloud_init_text);
}

json::object write_cloud_init(const CloudInit& texts) {
  json::object out;
  if (!texts.user_data.empty()) out["user_data"] = texts.user_data;
  if (!texts.meta_data.empty()) out["meta_data"] = texts.meta_data;
  if (!texts.network_config.empty()) out["network_config"] = texts.network_config;
  return out;
}

/// An array that is there is all of it.
template <class Entry>
void read_all(ObjectReader& in, std::string_view key, std::size_t most, std::vector<Entry>& target, void (*read)(ObjectReader&, Entry&)) {
  if (in.has(key)) target.clear();
  in.objects(key, most, [&](ObjectReader& entry) { read(entry, target.emplace_back()); });
}

}  // namespace

bool is_interface_name(std::string_view name) {
  // The kernel makes a number of a %d, and takes no other %.
  return !name.empty() && name.size() <= limits::interface_name && name != "." && name != ".." &&
         std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7f && c != '/' && c != ':' && c != '%'; });
}

void read_devices(ObjectReader& in, Spec& spec) {
  if (in.has("root_disk")) spec.root_disk.emplace();
  in.object("root_disk", [&](ObjectReader& entry) { read_disk(entry, *spec.root_disk); });
  in.path("seed", spec.seed);
  if (in.has("cloud_init") && !spec.cloud_init) spec.cloud_init.emplace();
  in.object("cloud_init", [&](ObjectReader& entry) { read_cloud_init(entry, *spec.cloud_init); });
  read_all(in, "disks", limits::disks_per_vm, spec.disks, read_disk);
  read_all(in, "networks", limits::networks_per_vm, spec.networks, read_network);
  read_all(in, "shares", limits::shares_per_vm, spec.shares, read_share);
}

void write_devices(const Spec& spec, json::object& out) {
  if (spec.root_disk) out["root_disk"] = write_disk(*spec.root_disk);
  if (!spec.seed.empty()) out["seed"] = spec.seed;
  if (spec.cloud_init) out["cloud_init"] = write_cloud_init(*spec.cloud_init);
  json::array disks;
  for (const Disk& disk : spec.disks) disks.push_back(write_disk(disk));
  out["disks"] = std::move(disks);
  json::array networks;
  for (const Network& network : spec.networks) networks.push_back(write_network(network));
  out["networks"] = std::move(networks);
  json::array shares;
  for (const Share& share : spec.shares)
    shares.push_back(json::object{{"tag", share.tag}, {"path", share.path}, {"readonly", share.readonly}});
  out["shares"] = std::move(shares);
}

}  // namespace vmline::api
