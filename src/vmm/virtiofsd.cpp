// SPDX-License-Identifier: Apache-2.0
// See virtiofsd.hpp.
#include "vmm/virtiofsd.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "vmm/process_place.hpp"

namespace vmline::vmm {
namespace {

using Source = DescriptorAction::Source;

constexpr int listener_descriptor = 1000;  ///< high, out of the way of what virtiofsd opens itself

bool fits_a_file_name(const std::string& tag) {
  return std::ranges::all_of(tag, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

/// Whether the user says that one himself: given twice, virtiofsd refuses it.
bool gives(const std::vector<std::string>& arguments, std::string_view option) {
  return std::ranges::any_of(arguments, [option](std::string_view argument) {
    return argument.starts_with(option) && (argument.size() == option.size() || argument[option.size()] == '=');
  });
}

std::vector<std::string> arguments(const api::Spec& spec, const api::Share& share, const Host& host, bool root) {
  std::vector<std::string> argv = {host.virtiofsd, fmt::format("--fd={}", listener_descriptor), "--shared-dir=" + share.path};
  if (!gives(spec.virtiofsd_args, "--cache")) argv.emplace_back("--cache=never");
  if (!gives(spec.virtiofsd_args, "--sandbox")) argv.emplace_back(root ? "--sandbox=chroot" : "--sandbox=none");
  if (share.readonly && !gives(spec.virtiofsd_args, "--readonly")) argv.emplace_back("--readonly");
  argv.insert(argv.end(), spec.virtiofsd_args.begin(), spec.virtiofsd_args.end());
  return argv;
}

Result<> check_shares(const api::Spec& spec, const std::vector<ShareDevice>& devices) {
  for (std::size_t i = 0; i < devices.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (devices[j].tag == devices[i].tag)
        return fail(fmt::format("shares {} and {} both have tag {}", j, i, devices[i].tag), ErrorKind::usage);
    }
    for (const api::LineSpec& line : spec.lines) {
      // Its raw clients' socket would be RUN/NAME/LINE.sock.
      if (line.name == fmt::format("fs-{}", i)) return fail("line " + line.name + ": a share's socket has that name", ErrorKind::usage);
    }
  }
  return {};
}

}  // namespace

std::vector<ShareDevice> share_devices(const api::Spec& spec, const Endpoints& endpoints) {
  std::vector<ShareDevice> devices;
  for (std::size_t i = 0; i < spec.shares.size(); ++i) {
    const std::string& tag = spec.shares[i].tag;
    devices.push_back(
        {tag, fits_a_file_name(tag) ? "fs-" + tag : fmt::format("fs.{}", i), fmt::format("{}/fs-{}.sock", endpoints.run_dir, i)});
  }
  return devices;
}

Result<> plan_shares(Plan& plan, const api::Spec& spec, const Endpoints& endpoints, const Host& host) {
  const std::vector<ShareDevice> devices = share_devices(spec, endpoints);
  TRY(check_shares(spec, devices));
  const bool root = spec.uid ? *spec.uid == 0 : host.root;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    plan.listeners.push_back({devices[i].process, devices[i].socket, true});
    const int append_only = O_WRONLY | O_CREAT | O_APPEND;
    Process process{.name = devices[i].process,
                    .argv = arguments(spec, spec.shares[i], host, root),
                    .environment = host.environment,
                    .descriptors = {{Source::null, 0, "", 0},
                                    {Source::path, 1, endpoints.monitor_log, append_only},
                                    {Source::path, 2, endpoints.monitor_log, append_only},
                                    {Source::held, listener_descriptor, devices[i].process, 0}},
                    .sidecar = true};
    put_in_place(process, spec);
    plan.processes.push_back(std::move(process));
  }
  if (!devices.empty() && !root && !gives(spec.virtiofsd_args, "--sandbox")) {
    plan.warnings.emplace_back(
        "virtiofsd runs without a sandbox, as its chroot needs root: a fault in it would open more to the guest than the shared directory");
  }
  return {};
}

}  // namespace vmline::vmm
