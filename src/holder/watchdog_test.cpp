// SPDX-License-Identifier: Apache-2.0
// When it asks, when it gives up, and that a holder which slept blames nobody.
#include "holder/watchdog.hpp"

#include <gtest/gtest.h>

namespace vmline::holder {
namespace {

using std::chrono_literals::operator""ms;

TEST(Watchdog, AsksAfterHalfTheLimitAndOnlyOnce) {
  Watchdog dog;
  dog.set_limit(1000ms);
  dog.heard(0ms);
  EXPECT_FALSE(dog.ask(499ms));
  EXPECT_TRUE(dog.ask(500ms));
  EXPECT_FALSE(dog.ask(600ms));
}

TEST(Watchdog, ExpiresWhenTheWholeLimitPassedAwakeWithoutAnAnswer) {
  Watchdog dog;
  dog.set_limit(1000ms);
  dog.heard(0ms);
  ASSERT_TRUE(dog.ask(500ms));
  Moment now = 500ms;
  while (!dog.expired(now)) now = dog.next();
  EXPECT_EQ(now, 1500ms);
}

TEST(Watchdog, AnAnswerBeginsAnew) {
  Watchdog dog;
  dog.set_limit(1000ms);
  dog.heard(0ms);
  ASSERT_TRUE(dog.ask(500ms));
  for (Moment now = 500ms; now < 1400ms; now = dog.next()) ASSERT_FALSE(dog.expired(now));
  dog.heard(1450ms);
  EXPECT_FALSE(dog.expired(1500ms));
  EXPECT_EQ(dog.next(), 1950ms);
}

TEST(Watchdog, AHolderThatWasStoppedItselfBlamesNobody) {
  Watchdog dog;
  dog.set_limit(1000ms);
  dog.heard(0ms);
  ASSERT_TRUE(dog.ask(500ms));
  // Stopped for a minute, however the minute is cut: each waking counts for one tenth at the most.
  EXPECT_FALSE(dog.expired(60'000ms));
  EXPECT_FALSE(dog.expired(60'001ms));
  EXPECT_EQ(dog.next(), 60'100ms);
  Moment now = 60'000ms;
  while (!dog.expired(now)) now = dog.next();
  EXPECT_EQ(now, 60'900ms);
}

TEST(Watchdog, ALimitOfNothingNeverAsks) {
  Watchdog dog;
  dog.set_limit(0ms);
  dog.heard(0ms);
  EXPECT_FALSE(dog.ask(1'000'000ms));
  EXPECT_FALSE(dog.expired(1'000'000ms));
  EXPECT_EQ(dog.next(), never);
}

}  // namespace
}  // namespace vmline::holder
