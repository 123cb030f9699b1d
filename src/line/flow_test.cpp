// SPDX-License-Identifier: Apache-2.0
// What may go, when the guest waits, and what is given up, from counts and times alone.
#include "line/flow.hpp"

#include <gtest/gtest.h>

namespace vmline::line {
namespace {

using namespace std::chrono_literals;

FlowSettings small() { return {.spool = 1u << 20, .backlog = 4u << 20, .journal = true, .block = true, .stall_limit = 5000ms}; }
const Flow::Clock start{};

TEST(Flow, KeepsASpoolfulAndLetsOnlyJournaledBytesGo) {
  Flow flow(small());
  auto d = flow.decide(0, 3u << 20, 3u << 20, start);
  EXPECT_EQ(d.low, 2u << 20);
  EXPECT_GT(d.room, 0u);
  d = flow.decide(0, 3u << 20, 1u << 20, start);
  EXPECT_EQ(d.low, 1u << 20) << "not journaled yet: it stays";
  d = flow.decide(0, 3u << 20, 0, start);
  EXPECT_EQ(d.low, 0u);
  EXPECT_EQ(d.room, (5u << 20) - (3u << 20));
}

TEST(Flow, BlocksForTheStallLimitAndThenGivesUpTheOldest) {
  Flow flow(small());
  const Offset head = 5u << 20;
  auto d = flow.decide(0, head, 1000, start);
  EXPECT_EQ(d.room, 0u);
  ASSERT_TRUE(d.until);
  EXPECT_EQ(*d.until, start + 5s);
  d = flow.decide(0, head, 1000, start + 4999ms);
  EXPECT_EQ(d.room, 0u);
  d = flow.decide(0, head, 1000, start + 5s);
  EXPECT_GT(d.room, 0u);
  EXPECT_EQ(d.given_up, d.low - 1000);
  EXPECT_TRUE(flow.giving_up());
  // No second stall until the journal has caught up.
  d = flow.decide(d.low, d.low + (5u << 20), 1000, start + 6s);
  EXPECT_GT(d.room, 0u);
  EXPECT_GT(d.given_up, 0u);
}

TEST(Flow, StallsAgainOnlyAfterTheJournalHasCaughtUp) {
  Flow flow(small());
  (void)flow.decide(0, 5u << 20, 0, start);
  auto d = flow.decide(0, 5u << 20, 0, start + 5s);
  (void)flow.decide(d.low, 5u << 20, 5u << 20, start + 6s);
  EXPECT_FALSE(flow.giving_up());
  d = flow.decide(4u << 20, 9u << 20, 4u << 20, start + 7s);
  EXPECT_EQ(d.room, 0u);
}

TEST(Flow, DropsAtOnceWhenToldTo) {
  auto settings = small();
  settings.block = false;
  Flow flow(settings);
  auto d = flow.decide(0, 5u << 20, 0, start);
  EXPECT_GT(d.room, 0u);
  EXPECT_EQ(d.given_up, d.low);
}

TEST(Flow, WithoutAJournalNothingIsEverWaitedFor) {
  auto settings = small();
  settings.journal = false;
  Flow flow(settings);
  auto d = flow.decide(0, 100u << 20, 0, start);
  EXPECT_EQ(d.low, 99u << 20);
  EXPECT_GT(d.room, 0u);
  EXPECT_EQ(d.given_up, 0u);
}

TEST(Flow, AFullTmpfsGivesUpJournaledBytesFirst) {
  Flow flow(small());
  auto d = flow.full(0, 1u << 19, 1u << 19, start);
  EXPECT_GT(d.low, 0u);
  EXPECT_EQ(d.given_up, 0u);
  EXPECT_GT(d.room, 0u);
  d = flow.full(0, 1u << 19, 0, start);
  EXPECT_EQ(d.room, 0u);
  d = flow.full(0, 1u << 19, 0, start + 6s);
  EXPECT_GT(d.given_up, 0u);
  EXPECT_GT(d.room, 0u);
}

}  // namespace
}  // namespace vmline::line
