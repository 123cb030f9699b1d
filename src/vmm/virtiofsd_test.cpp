// SPDX-License-Identifier: Apache-2.0
// Claims about shared directories: one process each, its socket by descriptor, nothing given twice, names that fit files.
#include "vmm/virtiofsd.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace vmline::vmm {
namespace {

using Source = DescriptorAction::Source;
using Strings = std::vector<std::string>;

const Host host{.binary = "/m", .environment = {"A=b"}, .virtiofsd = "/vfs", .root = true};

api::Spec spec_with(std::vector<api::Share> shares) {
  api::Spec spec;
  spec.name = "web1";
  spec.shares = std::move(shares);
  spec.lines.emplace_back();
  return spec;
}
Endpoints endpoints(const api::Spec& spec) { return endpoints_of(spec, "/run/web1", "/var/web1/monitor.log"); }
Result<Plan> planned(const api::Spec& spec, const Host& on = host) {
  Plan plan;
  TRY(plan_shares(plan, spec, endpoints(spec), on));
  return plan;
}

TEST(Virtiofsd, GetsItsSocketByDescriptor) {
  api::Spec spec = spec_with({{"home", "-/srv", true}});
  spec.uid = 0;
  spec.cgroup = "vms";
  auto plan = planned(spec);
  ASSERT_TRUE(plan) << plan.error().sentence();
  EXPECT_EQ(plan->listeners, (std::vector<Listener>{{"fs-home", "/run/web1/fs-0.sock", true}}));
  ASSERT_EQ(plan->processes.size(), 1u);
  const Process& process = plan->processes[0];
  EXPECT_EQ(process.name, "fs-home");
  EXPECT_TRUE(process.sidecar);
  EXPECT_EQ(process.argv, (Strings{"/vfs", "--fd=1000", "--shared-dir=-/srv", "--cache=never", "--sandbox=chroot", "--readonly"}));
  EXPECT_EQ(process.environment, (Strings{"A=b"}));
  EXPECT_EQ(process.cgroup, "/sys/fs/cgroup/vms");
  EXPECT_EQ(process.descriptors, (std::vector<DescriptorAction>{{Source::null, 0, "", 0},
                                                                {Source::path, 1, "/var/web1/monitor.log", O_WRONLY | O_CREAT | O_APPEND},
                                                                {Source::path, 2, "/var/web1/monitor.log", O_WRONLY | O_CREAT | O_APPEND},
                                                                {Source::held, 1000, "fs-home", 0}}));
  EXPECT_TRUE(plan->warnings.empty());
}

TEST(Virtiofsd, WithoutRootThereIsNoSandboxAndThatIsSaid) {
  Host other = host;
  other.root = false;
  api::Spec spec = spec_with({{"home", "/srv", false}, {"b", "/b", false}});
  auto plan = planned(spec, other);
  EXPECT_EQ(plan->processes[0].argv, (Strings{"/vfs", "--fd=1000", "--shared-dir=/srv", "--cache=never", "--sandbox=none"}));
  EXPECT_EQ(plan->warnings.size(), 1u);
  // With the spec's uid it is no root either.
  spec.uid = 1000;
  EXPECT_EQ(planned(spec)->processes[0].argv.back(), "--sandbox=none");
  spec.virtiofsd_args = {"--sandbox=namespace"};
  EXPECT_TRUE(planned(spec)->warnings.empty());
}

TEST(Virtiofsd, WhatTheUserSaysIsNotSaidTwice) {
  api::Spec spec = spec_with({{"home", "/srv", true}});
  spec.virtiofsd_args = {"--cache", "always", "--sandbox=none", "--readonly", "--cachet"};
  EXPECT_EQ(planned(spec)->processes[0].argv,
            (Strings{"/vfs", "--fd=1000", "--shared-dir=/srv", "--cache", "always", "--sandbox=none", "--readonly", "--cachet"}));
}

TEST(Virtiofsd, NamesFitFilesAndAreEachTheirOwn) {
  api::Spec spec = spec_with({{"../x", "/a", false}, {"a b", "/b", false}, {"0", "/c", false}});
  auto devices = share_devices(spec, endpoints(spec));
  EXPECT_EQ(devices[0].process, "fs.0");
  EXPECT_EQ(devices[1].process, "fs.1");
  EXPECT_EQ(devices[2].process, "fs-0");
  EXPECT_EQ(devices[2].socket, "/run/web1/fs-2.sock");
  EXPECT_EQ(planned(spec_with({{"a", "/a", false}, {"b", "/b", false}, {"a", "/c", false}})).error().sentence(),
            "shares 0 and 2 both have tag a");
  spec.lines[0].name = "fs-2";
  EXPECT_EQ(planned(spec).error().sentence(), "line fs-2: a share's socket has that name");
  spec.lines[0].name = "fs-3";
  EXPECT_TRUE(planned(spec));
}

}  // namespace
}  // namespace vmline::vmm
