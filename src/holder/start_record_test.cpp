// SPDX-License-Identifier: Apache-2.0
// Cut short, miscounted and mistyped records are refused; a right one gives back what was laid in.
#include "holder/start_record.hpp"

#include <errno.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace vmline::holder {
namespace {

struct Record {
  wire::StartHeader header;
  std::vector<wire::Action> actions;
  std::vector<std::string> strings;  // directory, identity, netns, cgroup, argv…, envp…, one per action

  [[nodiscard]] std::vector<std::byte> bytes() const {
    std::string out(sizeof(header), 0);
    for (const wire::Action& action : actions) out.append(reinterpret_cast<const char*>(&action), sizeof(action));
    for (const std::string& string : strings) out.append(string).push_back(0);
    wire::StartHeader complete = header;
    if (complete.size == 0) complete.size = static_cast<std::uint32_t>(out.size());
    std::memcpy(out.data(), &complete, sizeof(complete));
    const auto* first = reinterpret_cast<const std::byte*>(out.data());
    return {first, first + out.size()};
  }
};

/// /bin/echo hello, A=1, with stdout to a file and the held "in" as descriptor 0.
Record echo() {
  Record record;
  record.header.argc = 2;
  record.header.envc = 1;
  record.header.actions = 2;
  record.actions = {{wire::Source::path, 1, 1, 0}, {wire::Source::held, 0, 0, 0}};
  record.strings = {"/run", "/run/id", "", "", "/bin/echo", "hello", "A=1", "/out", "in"};
  return record;
}

bool reads(const std::vector<std::byte>& bytes, StartPlan& plan) {
  // Exactly as long as it is, so that ASan sees a byte too far.
  auto copy = std::make_unique<std::byte[]>(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.get(), bytes.data(), bytes.size());
  return read_start_record(copy.get(), bytes.size(), plan) == 0;
}
bool reads(const Record& record) {
  auto plan = std::make_unique<StartPlan>();
  return reads(record.bytes(), *plan);
}

TEST(StartRecord, GivesBackWhatWasLaidIn) {
  const std::vector<std::byte> bytes = echo().bytes();
  auto plan = std::make_unique<StartPlan>();
  ASSERT_EQ(read_start_record(bytes.data(), bytes.size(), *plan), 0);
  EXPECT_STREQ(plan->directory, "/run");
  EXPECT_STREQ(plan->identity, "/run/id");
  EXPECT_STREQ(plan->netns, "");
  EXPECT_STREQ(plan->cgroup, "");
  EXPECT_STREQ(plan->argv[0], "/bin/echo");
  EXPECT_STREQ(plan->argv[1], "hello");
  EXPECT_EQ(plan->argv[2], nullptr);
  EXPECT_STREQ(plan->envp[0], "A=1");
  EXPECT_EQ(plan->envp[1], nullptr);
  ASSERT_EQ(plan->action_count, 2U);
  EXPECT_EQ(plan->actions[1].source, wire::Source::held);
  EXPECT_STREQ(plan->strings[0], "/out");
  EXPECT_STREQ(plan->strings[1], "in");
}

TEST(StartRecord, CutShortAnywhereItIsRefused) {
  const std::vector<std::byte> whole = echo().bytes();
  auto plan = std::make_unique<StartPlan>();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(reads(cut, *plan)) << size;
    if (size < sizeof(wire::StartHeader)) continue;
    const auto told = static_cast<std::uint32_t>(size);  // and when it says so itself
    std::memcpy(cut.data() + offsetof(wire::StartHeader, size), &told, sizeof(told));
    EXPECT_FALSE(reads(cut, *plan)) << size;
  }
}

TEST(StartRecord, CountsThatAreNotThereAreRefused) {
  for (const std::uint32_t count : {0U, 3U, wire::start_strings_max, wire::start_strings_max + 1, 0xffffffffU}) {
    Record record = echo();
    record.header.argc = count;
    EXPECT_FALSE(reads(record)) << count;
  }
  for (const std::uint32_t count : {0U, 2U, wire::start_strings_max, 0xffffffffU, 0xfffffff0U}) {
    Record record = echo();
    record.header.envc = count;
    EXPECT_FALSE(reads(record)) << count;
  }
  for (const std::uint32_t count : {0U, 1U, 3U, wire::start_actions_max, wire::start_actions_max + 1, 0x10000000U, 0xffffffffU}) {
    Record record = echo();
    record.header.actions = count;
    EXPECT_FALSE(reads(record)) << count;
  }
}

TEST(StartRecord, OtherRecordsAreRefused) {
  Record record = echo();
  record.header.magic ^= 1;
  EXPECT_FALSE(reads(record));
  record = echo();
  record.header.size = 1000;
  EXPECT_FALSE(reads(record));
  record = echo();
  record.strings.emplace_back("one too many");
  EXPECT_FALSE(reads(record));
}

TEST(StartRecord, PathsAreAbsolute) {
  for (const std::size_t which : {0U, 1U, 2U, 3U, 4U, 7U}) {
    Record record = echo();
    record.strings[2] = "/run/netns/n";
    record.strings[3] = "/sys/fs/cgroup/c";
    ASSERT_TRUE(reads(record));
    record.strings[which] = record.strings[which].substr(1);
    EXPECT_FALSE(reads(record)) << record.strings[which];
  }
}

TEST(StartRecord, AnotherVersionIsToldFromGarbage) {
  auto plan = std::make_unique<StartPlan>();
  for (const std::uint32_t version : {0U, 1U, wire::start_version + 1, 0xffffffffU}) {
    Record record = echo();
    record.header.version = version;
    const std::vector<std::byte> bytes = record.bytes();
    for (const std::size_t size : {bytes.size(), std::size_t{32}, std::size_t{8}})  // other versions have other headers
      EXPECT_EQ(read_start_record(bytes.data(), size, *plan), EPROTONOSUPPORT) << version;
    EXPECT_EQ(read_start_record(bytes.data(), 7, *plan), EBADMSG);
  }
}

TEST(StartRecord, WhereAndAsWhomItRuns) {
  Record record = echo();
  record.strings[2] = "/run/netns/n";
  record.strings[3] = "/sys/fs/cgroup/c";
  record.header.flags = wire::start_as_user | wire::start_as_group;
  record.header.uid = 1000;
  record.header.gid = 0;
  const std::vector<std::byte> bytes = record.bytes();
  auto plan = std::make_unique<StartPlan>();
  ASSERT_EQ(read_start_record(bytes.data(), bytes.size(), *plan), 0);
  EXPECT_STREQ(plan->netns, "/run/netns/n");
  EXPECT_STREQ(plan->cgroup, "/sys/fs/cgroup/c");
  EXPECT_EQ(plan->flags, wire::start_as_user | wire::start_as_group);
  EXPECT_EQ(plan->uid, 1000U);
  EXPECT_EQ(plan->gid, 0U);
  record.header.uid = ~0U;  // to setresuid: no change
  EXPECT_FALSE(reads(record));
  record = echo();
  record.header.flags = wire::start_as_group;
  record.header.gid = ~0U;
  EXPECT_FALSE(reads(record));
  record = echo();
  record.header.flags = 8;
  EXPECT_FALSE(reads(record)) << "what is asked for and not known would not be done";
}

TEST(StartRecord, NoDirectoryIsTheRootAndNoIdentityIsNone) {
  Record record = echo();
  record.strings[0] = record.strings[1] = "";
  const std::vector<std::byte> bytes = record.bytes();
  auto plan = std::make_unique<StartPlan>();
  ASSERT_EQ(read_start_record(bytes.data(), bytes.size(), *plan), 0);
  EXPECT_STREQ(plan->directory, "/");
  EXPECT_STREQ(plan->identity, "");
}

TEST(StartRecord, TargetsAreInBoundsAndEachIsThereOnce) {
  for (const std::int32_t target : {-1, 0, wire::start_target_max + 1, INT32_MIN, INT32_MAX}) {  // 0 is the other one's
    Record record = echo();
    record.actions[0].target = target;
    EXPECT_FALSE(reads(record)) << target;
  }
  Record record = echo();
  record.actions[0].source = static_cast<wire::Source>(4);
  EXPECT_FALSE(reads(record));
}

}  // namespace
}  // namespace vmline::holder
