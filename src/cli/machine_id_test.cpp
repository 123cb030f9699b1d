// SPDX-License-Identifier: Apache-2.0
// Machine ids: random UUIDs of version 4, made once.
#include "cli/machine_id.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <set>

#include "wire/api/spec_json.hpp"

namespace vmline::cli {
namespace {

api::Spec some_spec() {
  api::Spec spec;
  spec.name = "web1";
  spec.kernel = "/k";
  spec.lines.emplace_back();
  return spec;
}

TEST(MachineId, IsARandomUuidThatASpecTakes) {
  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) {
    auto id = make_machine_id();
    ASSERT_TRUE(id);
    ASSERT_EQ(id->size(), 36u) << *id;
    EXPECT_EQ((*id)[14], '4') << *id;
    EXPECT_NE(std::string("89ab").find((*id)[19]), std::string::npos) << *id;
    api::Spec spec = some_spec();
    spec.machine_id = *id;
    EXPECT_TRUE(api::check_spec(spec)) << *id;
    ids.insert(*id);
  }
  EXPECT_EQ(ids.size(), 100u);
}

TEST(MachineId, IsMadeOnceAndKept) {
  api::Spec first = some_spec();
  ASSERT_TRUE(keep_machine_id(first, ""));
  ASSERT_FALSE(first.machine_id.empty());
  api::Spec again = some_spec();
  ASSERT_TRUE(keep_machine_id(again, boost::json::serialize(api::to_json(first))));
  EXPECT_EQ(again.machine_id, first.machine_id);
  // One that is given stays; a stored spec that nobody can read any more has none to give.
  again.machine_id = "8c1f0b3a-52d4-4e0e-9d3b-0b8f7a3c1e55";
  ASSERT_TRUE(keep_machine_id(again, boost::json::serialize(api::to_json(first))));
  EXPECT_EQ(again.machine_id, "8c1f0b3a-52d4-4e0e-9d3b-0b8f7a3c1e55");
  api::Spec third = some_spec();
  ASSERT_TRUE(keep_machine_id(third, "{"));
  EXPECT_FALSE(third.machine_id.empty());
}

TEST(MachineId, IsForGuestsAlone) {
  api::Spec spec = some_spec();
  spec.driver = api::DriverKind::exec;
  ASSERT_TRUE(keep_machine_id(spec, ""));
  EXPECT_TRUE(spec.machine_id.empty());
}

}  // namespace
}  // namespace vmline::cli
