// SPDX-License-Identifier: Apache-2.0
// Plans of commands, pinned.
#include "vmm/exec/exec.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace vmline::vmm::exec {
namespace {

using Source = DescriptorAction::Source;
using Strings = std::vector<std::string>;

const Host host{.binary = "/bin/sh", .environment = {"A=b"}, .kvm_opens = false, .kvm_error = "", .cpu_virtualizes = false};
constexpr int append_only = O_WRONLY | O_CREAT | O_APPEND;

api::Spec shell() {
  api::Spec spec;
  spec.name = "job";
  spec.driver = api::DriverKind::exec;
  spec.command = {"sh", "-c", "echo $0"};
  spec.directory = "/srv";
  spec.lines.emplace_back();
  return spec;
}
Endpoints endpoints(const api::Spec& spec) { return endpoints_of(spec, "/r", "/log"); }

TEST(ExecPlan, GivesACommandFifosForStdinAndStdout) {
  api::Spec spec = shell();
  auto plan = make_driver()->plan(spec, endpoints(spec), host);
  ASSERT_TRUE(plan) << plan.error().sentence();
  EXPECT_EQ(plan->fifos, (std::vector<Fifo>{{"/r/serial0.out", false}, {"/r/serial0.in", false}}));
  EXPECT_EQ(plan->lines, (std::vector<LinePlan>{{.name = "serial0", .output_fifo = "/r/serial0.out", .input_fifo = "/r/serial0.in"}}));
  EXPECT_TRUE(plan->control_out.empty());
  const Process& process = plan->processes.at(0);
  EXPECT_EQ(process.argv, (Strings{"/bin/sh", "-c", "echo $0"}));
  EXPECT_EQ(process.directory, "/srv");
  EXPECT_FALSE(process.allow_ptrace);
  EXPECT_EQ(process.descriptors, (std::vector<DescriptorAction>{{Source::path, 0, "/r/serial0.in", O_RDWR},
                                                                {Source::path, 1, "/r/serial0.out", O_RDWR},
                                                                {Source::path, 2, "/log", append_only}}));
}

TEST(ExecPlan, GivesItATerminalWhereAsked) {
  api::Spec spec = shell();
  spec.pty = true;
  auto plan = make_driver()->plan(spec, endpoints(spec), host);
  ASSERT_TRUE(plan) << plan.error().sentence();
  EXPECT_EQ(plan->terminals, (std::vector<Terminal>{{"serial0", "pty:serial0", 1001, true}}));
  EXPECT_EQ(plan->lines[0].typing, Typing::terminal);
  EXPECT_TRUE(plan->processes[0].allow_ptrace);
  EXPECT_EQ(plan->processes[0].descriptors, (std::vector<DescriptorAction>{{Source::pty_slave, 0, "pty:serial0", 0},
                                                                           {Source::path, 1, "/r/serial0.out", O_RDWR},
                                                                           {Source::path, 2, "/log", append_only},
                                                                           {Source::held, 1001, "pty:serial0", 0}}));
}

TEST(ExecPlan, HasOneCarriedLine) {
  api::Spec spec = shell();
  spec.lines.emplace_back().name = "serial1";
  EXPECT_FALSE(make_driver()->plan(spec, endpoints(spec), host));
  spec.lines.pop_back();
  spec.lines[0].upstream = api::UpstreamKind::dial;
  EXPECT_FALSE(make_driver()->plan(spec, endpoints(spec), host));
}

TEST(ExecPlan, SomebodyElsesMonitorIsStartedByNobody) {
  api::Spec spec;
  spec.driver = api::DriverKind::none;
  spec.lines.push_back({.name = "serial0", .upstream = api::UpstreamKind::dial, .path = "/their.sock"});
  auto plan = make_foreign_driver()->plan(spec, endpoints(spec), host);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->processes.empty());
  EXPECT_TRUE(plan->fifos.empty());
  EXPECT_EQ(plan->lines[0].socket_path, "/their.sock");
  EXPECT_FALSE(plan->lines[0].monitor_binds);
  EXPECT_TRUE(make_foreign_driver()->stop_steps(spec).empty());
}

}  // namespace
}  // namespace vmline::vmm::exec
