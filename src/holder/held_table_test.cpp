// SPDX-License-Identifier: Apache-2.0
// Names, room, and in which order a keeper is told.
#include "holder/held_table.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

namespace vmline::holder {
namespace {

int open_null() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

class HeldTableTest : public ::testing::Test {
 protected:
  ~HeldTableTest() override {
    for (HeldTable::Index i = 1; i <= wire::held_max; ++i) {
      if (held_->entry(i).used) held_->drop(i);
    }
  }
  std::vector<std::string> tell_all() {
    std::vector<std::string> names;
    while (const auto index = held_->next_untold()) {
      names.emplace_back(held_->entry(index).name);
      held_->told(index);
    }
    return names;
  }
  std::unique_ptr<HeldTable> held_ = std::make_unique<HeldTable>();
};

TEST_F(HeldTableTest, TheOldDescriptorOfANameIsClosed) {
  const int first = open_null();
  held_->put("spool:serial0", wire::Kind::plain, first);
  const int second = open_null();
  held_->put("spool:serial0", wire::Kind::plain, second);
  EXPECT_FALSE(is_open(first));
  EXPECT_EQ(held_->fd_of("spool:serial0"), second);
  EXPECT_EQ(held_->count(), 1U);
}

TEST_F(HeldTableTest, WhatIsDroppedIsClosedAndUnknown) {
  const int fd = open_null();
  held_->drop(held_->put("a", wire::Kind::plain, fd));
  EXPECT_FALSE(is_open(fd));
  EXPECT_EQ(held_->find("a"), 0U);
  EXPECT_EQ(held_->fd_of("a"), -1);
}

TEST_F(HeldTableTest, AFullTableTakesNothingMoreAndHasRoomAgainAfterADrop) {
  for (std::size_t i = 0; i < wire::held_max; ++i) ASSERT_NE(held_->put(("n" + std::to_string(i)).c_str(), wire::Kind::plain, -1), 0U);
  EXPECT_EQ(held_->put("one more", wire::Kind::plain, -1), 0U);
  held_->take(held_->find("n77"));
  EXPECT_NE(held_->put("one more", wire::Kind::plain, -1), 0U);
  for (std::size_t i = 0; i < wire::held_max; ++i) EXPECT_EQ(held_->find(("n" + std::to_string(i)).c_str()) != 0, i != 77);
  for (HeldTable::Index i = 1; i <= wire::held_max; ++i) held_->take(i);
}

TEST_F(HeldTableTest, ANewKeeperIsToldOfEverythingOnce) {
  for (const char* name : {"a", "b", "c"}) held_->put(name, wire::Kind::plain, open_null());
  EXPECT_TRUE(tell_all().empty());
  held_->untell_all();
  held_->drop(held_->find("b"));
  EXPECT_EQ(tell_all(), (std::vector<std::string>{"a", "c"}));
  EXPECT_TRUE(tell_all().empty());
}

TEST_F(HeldTableTest, ClientsAreToldInTheOrderInWhichTheyCame) {
  for (const char* name : {"client:s:1", "client:s:2", "client:s:3"}) held_->untell(held_->put(name, wire::Kind::client, open_null()));
  held_->drop(held_->find("client:s:1"));
  held_->untell(held_->put("client:s:4", wire::Kind::client, open_null()));  // takes the first one's place in the table
  EXPECT_EQ(tell_all(), (std::vector<std::string>{"client:s:2", "client:s:3", "client:s:4"}));
}

TEST_F(HeldTableTest, ClientsAndCursorsAreCounted) {
  held_->put("client:s:1", wire::Kind::client, open_null());
  held_->put("cursor:s:1", wire::Kind::plain, open_null());
  held_->put("client:s:2", wire::Kind::client, open_null());
  EXPECT_EQ(held_->clients(), 2U);
  EXPECT_EQ(held_->cursors(), 1U);
  held_->drop(held_->find("client:s:1"));
  held_->drop(held_->find("cursor:s:1"));
  EXPECT_EQ(held_->clients(), 1U);
  EXPECT_EQ(held_->cursors(), 0U);
}

}  // namespace
}  // namespace vmline::holder
