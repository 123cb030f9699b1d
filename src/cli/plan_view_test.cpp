// SPDX-License-Identifier: Apache-2.0
// A plan as text and as JSON.
#include "cli/plan_view.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

namespace vmline::cli {
namespace {

PlanView some_plan() {
  PlanView view;
  view.spec.name = "web1";
  view.spec.driver = api::DriverKind::cloud_hypervisor;
  view.spec.lines.emplace_back();
  view.spec.cloud_init.emplace();
  view.endpoints.seed = "/vms/web1/seed.iso";
  view.plan.acceleration = "kvm";
  view.plan.fifos = {{"/run/web1/events.out", true}, {"/run/web1/serial0.out", false}};
  view.plan.listeners.push_back({"api", "/run/web1/api.sock"});
  view.plan.terminals.push_back({"serial0", "pty:serial0", 1001});
  view.plan.taps.push_back({"tap0", "br0", "/run/netns/blue", std::nullopt});
  view.plan.taps.push_back({"tap1", "", "", false});
  vmm::LinePlan line{.name = "serial0", .output_fifo = "/run/web1/serial0.out", .typing = vmm::Typing::terminal};
  view.plan.lines.push_back(line);
  vmm::Process monitor{.name = "monitor", .argv = {"/bin/ch", "--x", "it's; $(here)", ""}, .environment = {"SECRET=1"}, .directory = "/"};
  monitor.netns = "/run/netns/blue";
  monitor.uid = 0;
  view.plan.processes.push_back(monitor);
  view.plan.warnings = {"beware"};
  view.requests = {{"PUT", "/api/v1/vm.create", R"({"cpus":1})"}, {"PUT", "/api/v1/vm.boot", ""}};
  view.notes = {"later"};
  return view;
}

TEST(PlanView, TellsPeopleWhatWouldBeDone) {
  EXPECT_EQ(plan_text(some_plan()), R"(web1: cloud-hypervisor with KVM. This is a plan: nothing was made or started.
make
  seed      /vms/web1/seed.iso, from cloud_init
  fifo      /run/web1/events.out, anew at each start
  fifo      /run/web1/serial0.out
  socket    /run/web1/api.sock, listening, handed on
  terminal  of line serial0
  tap       tap0, on bridge br0, in /run/netns/blue, made and removed by us, unless one of that name is there
  tap       tap1, somebody else's: left alone
lines
  serial0   carried /run/web1/serial0.out, typing by its terminal
start monitor in /, network namespace /run/netns/blue, uid 0
  /bin/ch --x 'it'\''s; $(here)' ''
ask the monitor
  PUT /api/v1/vm.create {"cpus":1}
  PUT /api/v1/vm.boot
note: later
warning: beware
)");
}

TEST(PlanView, TellsProgramsTheSameAndNobodysSecrets) {
  boost::json::object all = plan_json(some_plan());
  EXPECT_EQ(all.at("name"), "web1");
  EXPECT_EQ(all.at("seed"), "/vms/web1/seed.iso");
  EXPECT_EQ(all.at("processes").at(0).at("argv").at(2), "it's; $(here)");
  EXPECT_EQ(all.at("processes").at(0).at("uid"), boost::json::value(0));
  EXPECT_EQ(all.at("processes").at(0).at("gid"), boost::json::value(nullptr));
  EXPECT_EQ(all.at("taps").at(0).at("ours"), boost::json::value(nullptr));
  EXPECT_EQ(all.at("taps").at(1).at("ours"), boost::json::value(false));
  EXPECT_EQ(all.at("requests").at(0).at("body").at("cpus"), boost::json::value(1));
  EXPECT_FALSE(all.at("requests").at(1).as_object().contains("body"));
  EXPECT_EQ(all.at("warnings").at(0), "beware");
  EXPECT_EQ(boost::json::serialize(all).find("SECRET"), std::string::npos);
}

TEST(PlanView, QuotesForAShell) {
  EXPECT_EQ(shell_quoted("--api-socket=/run/a_b.c"), "--api-socket=/run/a_b.c");
  EXPECT_EQ(shell_quoted(""), "''");
  EXPECT_EQ(shell_quoted("a b"), "'a b'");
  EXPECT_EQ(shell_quoted("~"), "'~'");
  EXPECT_EQ(shell_quoted("'"), "''\\'''");
}

}  // namespace
}  // namespace vmline::cli
