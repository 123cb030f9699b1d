// SPDX-License-Identifier: Apache-2.0
// What fields of a spec say about each other; see spec_checks.hpp.
#include "wire/api/spec_checks.hpp"

#include <fmt/format.h>

#include <map>
#include <set>

#include "wire/api/spec_names.hpp"

namespace vmline::api {
namespace {

constexpr unsigned bit(DriverKind kind) { return 1u << static_cast<unsigned>(kind); }
constexpr unsigned qemu = bit(DriverKind::qemu), cloud = bit(DriverKind::cloud_hypervisor), fire = bit(DriverKind::firecracker),
                   exec = bit(DriverKind::exec);
constexpr unsigned monitors = qemu | cloud | fire;  ///< that we start and that run a guest

/// A field that not every driver has a use for, and whether a spec asks for something by it.
struct Field {
  std::string_view name;
  unsigned drivers;
  bool (*given)(const Spec&);
};
constexpr Field fields[] = {
    {"binary", monitors, [](const Spec& s) { return !s.binary.empty(); }},
    {"cpus", monitors, [](const Spec& s) { return s.cpus != Spec{}.cpus; }},
    {"memory", monitors, [](const Spec& s) { return s.memory != Spec{}.memory; }},
    {"kernel", monitors, [](const Spec& s) { return !s.kernel.empty(); }},
    {"initramfs", monitors, [](const Spec& s) { return !s.initramfs.empty(); }},
    {"firmware", qemu | cloud, [](const Spec& s) { return !s.firmware.empty(); }},
    {"cmdline", monitors, [](const Spec& s) { return s.cmdline.has_value(); }},
    {"acceleration", monitors, [](const Spec& s) { return s.acceleration != Spec{}.acceleration; }},
    {"machine", qemu, [](const Spec& s) { return s.machine != Spec{}.machine; }},
    {"machine_id", monitors, [](const Spec& s) { return !s.machine_id.empty(); }},
    {"root_disk", monitors, [](const Spec& s) { return s.root_disk.has_value(); }},
    {"seed", monitors, [](const Spec& s) { return !s.seed.empty(); }},
    {"cloud_init", monitors, [](const Spec& s) { return s.cloud_init.has_value(); }},
    {"disks", monitors, [](const Spec& s) { return !s.disks.empty(); }},
    {"networks", monitors, [](const Spec& s) { return !s.networks.empty(); }},
    {"shares", qemu | cloud, [](const Spec& s) { return !s.shares.empty(); }},
    {"netns", monitors | exec, [](const Spec& s) { return !s.netns.empty(); }},
    {"cgroup", monitors | exec, [](const Spec& s) { return !s.cgroup.empty(); }},
    {"uid", monitors | exec, [](const Spec& s) { return s.uid.has_value(); }},
    {"gid", monitors | exec, [](const Spec& s) { return s.gid.has_value(); }},
    {"virtiofsd", qemu | cloud, [](const Spec& s) { return !s.virtiofsd.empty(); }},
    {"virtiofsd_args", qemu | cloud, [](const Spec& s) { return !s.virtiofsd_args.empty(); }},
    {"monitor_config", cloud | fire, [](const Spec& s) { return !s.monitor_config.empty(); }},
    {"monitor_args", monitors, [](const Spec& s) { return !s.monitor_args.empty(); }},
    {"command", exec, [](const Spec& s) { return !s.command.empty(); }},
    {"directory", monitors | exec, [](const Spec& s) { return !s.directory.empty(); }},
    {"pty", exec, [](const Spec& s) { return s.pty; }},
    {"restart", monitors | exec, [](const Spec& s) { return s.restart != Restart::never; }},
};

std::string only_for(unsigned mask) {
  std::vector<std::string_view> names;
  for (const auto& [name, kind] : drivers) {
    if (mask & bit(kind)) names.push_back(name);
  }
  if (names.size() == 1) return fmt::format("is only for driver {}", names[0]);
  std::string_view last = names.back();
  names.pop_back();
  return fmt::format("is only for drivers {} and {}", fmt::join(names, ", "), last);
}

/// Reports by pointer, with the value that stands there.
class Refusals {
 public:
  Refusals(const json::value& document, std::string at, JsonErrors& errors) : document_(document), at_(std::move(at)), errors_(errors) {}
  void operator()(const std::string& pointer, std::string_view expected) {
    boost::system::error_code none;
    errors_.report(at_ + pointer, document_.find_pointer(at_ + pointer, none), expected);
  }

 private:
  const json::value& document_;
  const std::string at_;
  JsonErrors& errors_;
};

/// Names of which no two may be the same; empty ones do not count.
class Once {
 public:
  explicit Once(Refusals& refuse) : refuse_(refuse) {}
  void operator()(const std::string& pointer, const std::string& name) {
    if (name.empty()) return;
    auto [before, is_first] = seen_.emplace(name, pointer);
    if (!is_first) refuse_(pointer, "is the same as " + before->second);
  }

 private:
  Refusals& refuse_;
  std::map<std::string, std::string> seen_;
};

// An image that the guest writes by two devices is soon no file system any more.
void check_disks(const Spec& spec, Refusals& refuse) {
  struct Use {
    std::string pointer;
    bool readonly;
  };
  std::map<std::string_view, Use> uses;
  auto use = [&](const std::string& pointer, const std::string& path, bool readonly) {
    auto [before, is_first] = uses.try_emplace(path, Use{pointer, readonly});
    if (!is_first && !(readonly && before->second.readonly)) refuse(pointer, "is the image of " + before->second.pointer + " already");
  };
  if (spec.root_disk) use("/root_disk/path", spec.root_disk->path, spec.root_disk->readonly);
  if (!spec.seed.empty()) use("/seed", spec.seed, true);
  for (std::size_t i = 0; i < spec.disks.size(); ++i) use(fmt::format("/disks/{}/path", i), spec.disks[i].path, spec.disks[i].readonly);
}

}  // namespace

bool is_for(std::string_view field, DriverKind driver) {
  const Field* found = std::ranges::find(fields, field, &Field::name);
  return found == std::end(fields) || (found->drivers & bit(driver));
}

void check_driver(const json::value& document, const Spec& spec, JsonErrors& errors) {
  Refusals refuse(document, "", errors);
  if (spec.driver == DriverKind::exec && spec.command.empty()) refuse("/command", "is empty: driver exec needs the command to run");
  for (const Field& field : fields) {
    if (!(field.drivers & bit(spec.driver)) && field.given(spec)) refuse("/" + std::string(field.name), only_for(field.drivers));
  }
  if (spec.driver == DriverKind::firecracker) {
    const char* raw_alone = "is not for driver firecracker, which takes raw images";
    if (spec.root_disk && spec.root_disk->format != "raw") refuse("/root_disk/format", raw_alone);
    for (std::size_t i = 0; i < spec.disks.size(); ++i) {
      if (spec.disks[i].format != "raw") refuse(fmt::format("/disks/{}/format", i), raw_alone);
    }
  }
  for (const LineSpec& line : spec.lines) {
    if (spec.driver == DriverKind::none && (line.upstream == UpstreamKind::carried || line.path.empty())) {
      refuse("/lines", "must say dial or listen and a path, for driver none");
    }
  }
}

void check_together(const json::value& document, const std::string& at, const Spec& spec, JsonErrors& errors) {
  Refusals refuse(document, at, errors);
  if (!spec.seed.empty() && spec.cloud_init) refuse("/cloud_init", "is given beside seed: a VM has one of the two");
  std::set<std::string_view> names;
  for (const LineSpec& line : spec.lines) {
    if (!names.insert(line.name).second) refuse("/lines", "has two lines named " + line.name);
  }
  Once tap_once(refuse), mac_once(refuse), tag_once(refuse), rule_once(refuse);
  for (std::size_t i = 0; i < spec.networks.size(); ++i) {
    tap_once(fmt::format("/networks/{}/tap", i), spec.networks[i].tap);
    mac_once(fmt::format("/networks/{}/mac", i), spec.networks[i].mac);
  }
  for (std::size_t i = 0; i < spec.shares.size(); ++i) tag_once(fmt::format("/shares/{}/tag", i), spec.shares[i].tag);
  for (std::size_t i = 0; i < spec.matches.size(); ++i) rule_once(fmt::format("/matches/{}/name", i), spec.matches[i].name);
  check_disks(spec, refuse);
}

}  // namespace vmline::api
