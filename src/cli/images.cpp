// SPDX-License-Identifier: Apache-2.0
// Whether a disk image is another VM's; see images.hpp.
#include "cli/images.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <vector>

#include "base/limits.hpp"
#include "cli/holder_start.hpp"
#include "os/files.hpp"
#include "os/lock.hpp"
#include "os/path_watch.hpp"
#include "wire/api/spec_json.hpp"

namespace vmline::cli {
namespace {

struct Image {
  std::string path;
  bool readonly = false;
  os::FileId file;
};

std::vector<Image> images_of(const api::Spec& spec) {
  std::vector<Image> images;
  auto add = [&](const api::Disk& disk) {
    if (auto file = os::file_at(disk.path)) images.push_back({disk.path, disk.readonly, *file});
  };
  if (spec.root_disk) add(*spec.root_disk);
  for (const api::Disk& disk : spec.disks) add(disk);
  return images;
}

/// A command that starts it has its lock before it has a holder.
bool may_run(const os::Places& places, const std::string& name) {
  if (holder_lives(places, name)) return true;
  auto file = os::open_file("lock", places.command_lock(name), O_RDWR | O_NOFOLLOW);
  if (!file) return false;
  auto free = os::try_lock(file->get());
  return free && !*free;
}

}  // namespace

Result<> check_images(const os::Places& places, const api::Spec& spec) {
  std::vector<Image> ours = images_of(spec);
  if (ours.empty()) return {};
  TRY_ASSIGN(std::vector<std::string> names, places.names());
  for (const std::string& name : names) {
    if (name == spec.name || !may_run(places, name)) continue;
    auto text = os::read_file(places.vm_dir(name) + "/spec.json", limits::spec_file);
    auto other = text ? api::parse_spec(*text) : Result<api::Spec>(fail("none"));
    if (!other) continue;
    for (const Image& theirs : images_of(*other)) {
      for (const Image& image : ours) {
        if (image.file != theirs.file || (image.readonly && theirs.readonly)) continue;
        return fail(fmt::format("disk {}: VM {} {} it; stop that one first, or give this one a copy", image.path, name,
                                theirs.readonly ? "reads" : "writes to"),
                    ErrorKind::conflict);
      }
    }
  }
  return {};
}

}  // namespace vmline::cli
