// SPDX-License-Identifier: Apache-2.0
// How a line's journal begins again: after a clean end, after a power loss, beside a log or an index that is not what it was.
#include <gtest/gtest.h>
#include <unistd.h>

#include "os/journal_test_line.hpp"

namespace vmline::os {
namespace {

std::unique_ptr<Journal> open_journal(const TestLine& line) {
  auto journal = Journal::open(line.options, {});
  EXPECT_TRUE(journal) << journal.error().sentence();
  return journal ? std::move(*journal) : nullptr;
}

TEST(JournalStart, StartsAgainAtTheVeryOffsetOfACleanEnd) {
  TestLine line;
  EXPECT_EQ(line_start(line.options.index_path, line.options.log_path).value(), 0u);
  {
    auto journal = open_journal(line);
    line.send(1000);
    ASSERT_TRUE(journal->record_boot({1, 0, 0, Time{}, "start"}));
    ASSERT_TRUE(journal->reserve(1u << 20));
    ASSERT_TRUE(append_all(*journal, line.head(), line.low));
    ASSERT_TRUE(journal->record_end(line.head()));
  }
  EXPECT_EQ(line_start(line.options.index_path, line.options.log_path).value(), 1000u);
  {
    auto reader = JournalReader::open(line.options.log_path, line.options.index_path).value();
    EXPECT_EQ(reader.end(), 1000u);
    EXPECT_EQ(check_all(reader, 1000).kept, 1000u);
    EXPECT_EQ(reader.boot(1)->cause, "start");
  }
  line.new_spool(1000);
  {
    auto journal = open_journal(line);
    EXPECT_EQ(journal->journaled(), 1000u);
    line.send(24);
    ASSERT_TRUE(append_all(*journal, line.head(), line.low));
    EXPECT_EQ(check_all(*journal, 1024).kept, 1024u);
    EXPECT_TRUE(journal->gaps().empty());
    EXPECT_EQ(journal->last_boot()->number, 1u);
  }
  EXPECT_EQ(line.log(), sent(Range{0, 1024}));
}

TEST(JournalStart, StartsAboveAllThatMayHaveBeenToldAfterAPowerLoss) {
  TestLine line;
  {
    auto journal = open_journal(line);
    line.send(1000);
    ASSERT_TRUE(journal->reserve(5000));
    ASSERT_TRUE(append_all(*journal, line.head(), line.low));
  }
  // The spool is gone, and with it the end of the log, which was never synced.
  ASSERT_EQ(::truncate(line.options.log_path.c_str(), 640), 0);
  Offset start = line_start(line.options.index_path, line.options.log_path).value();
  EXPECT_GE(start, 5000u);
  line.new_spool(start);
  auto journal = open_journal(line);
  line.send(64);
  ASSERT_TRUE(append_all(*journal, line.head(), line.low));
  EXPECT_EQ(line.log(), sent(Range{0, 640}) + sent(Range{start, start + 64}));
  ASSERT_EQ(journal->gaps().size(), 1u);
  EXPECT_EQ(journal->gaps()[0].range, (Range{640, start}));
  EXPECT_EQ(journal->gaps()[0].cause, line::cause_restarted);
  EXPECT_EQ(check_all(*journal, line.head()).kept, 704u);
}

TEST(JournalStart, ALogThatWasCopiedElsewhereAfterACleanEndKeepsItsHistory) {
  TestLine line;
  {
    auto journal = open_journal(line);
    line.send(1000);
    ASSERT_TRUE(append_all(*journal, line.head(), line.low));
    ASSERT_TRUE(journal->record_end(line.head()));
  }
  std::filesystem::copy(line.options.log_path, line.options.log_path + ".copy");
  std::filesystem::rename(line.options.log_path + ".copy", line.options.log_path);
  line.new_spool(1000);
  auto journal = open_journal(line);
  line.send(10);
  ASSERT_TRUE(append_all(*journal, line.head(), line.low));
  EXPECT_EQ(check_all(*journal, line.head()).kept, 1010u);
}

TEST(JournalStart, AnotherFileInTheLogsPlaceAfterACleanEndHasNoneOfIt) {
  TestLine line;
  {
    auto journal = open_journal(line);
    line.send(1000);
    ASSERT_TRUE(append_all(*journal, line.head(), line.low));
    ASSERT_TRUE(journal->record_end(line.head()));
  }
  std::filesystem::rename(line.options.log_path, line.options.log_path + ".1");
  {
    std::ofstream(line.options.log_path) << std::string(2000, '#');
  }
  EXPECT_EQ(check_all(JournalReader::open(line.options.log_path, line.options.index_path).value(), 1000).lost, 1000u);
  line.new_spool(1000);
  auto journal = open_journal(line);
  line.send(10);
  ASSERT_TRUE(append_all(*journal, line.head(), line.low));
  auto held = check_all(*journal, line.head());
  EXPECT_EQ(held.kept, 10u);
  EXPECT_EQ(held.lost, 1000u);
}

TEST(JournalStart, AnIndexThatIsTornDamagedOrDeletedCostsNoByteOfTheLog) {
  enum class Harm { torn, damaged, foreign, deleted, deleted_live, emptied_live };
  for (auto harm : {Harm::torn, Harm::damaged, Harm::foreign, Harm::deleted, Harm::deleted_live, Harm::emptied_live}) {
    SCOPED_TRACE(static_cast<int>(harm));
    TestLine line;
    const std::string& index = line.options.index_path;
    auto journal = open_journal(line);
    line.send(1000);
    ASSERT_TRUE(journal->record_boot({1, 0, 0, Time{}, "start"}));
    ASSERT_TRUE(append_all(*journal, 500, line.low));
    line.give_up_below(600);
    ASSERT_TRUE(append_all(*journal, line.head(), line.low));
    bool live = harm == Harm::deleted_live || harm == Harm::emptied_live;
    if (!live) journal.reset();
    if (harm == Harm::torn) {
      std::ofstream(index, std::ios::app) << std::string("torn");
    } else if (harm == Harm::damaged) {
      std::fstream file(index);
      file.seekp(line::index_header_size + 100);
      file << "damage";
    } else if (harm == Harm::foreign) {
      std::ofstream(index) << "This was an index once. " << std::string(100, '.');
    } else if (harm == Harm::emptied_live) {
      ASSERT_EQ(::truncate(index.c_str(), 0), 0);
    } else {
      std::filesystem::remove(index);
    }
    if (live) {
      ASSERT_TRUE(journal->record_boot({2, 1000, 1000, Time{}, "guest reboot"}));
      journal.reset();
    }
    journal = open_journal(line);
    EXPECT_EQ(journal->journaled(), 1000u);
    line.send(200);
    ASSERT_TRUE(append_all(*journal, line.head(), line.low));
    EXPECT_EQ(line.log(), sent(Range{0, 500}) + sent(Range{600, 1200}));
    auto held = check_all(*journal, line.head());  // right or lost, never wrong
    if (harm == Harm::torn || live) {
      EXPECT_EQ(held.kept, 1100u);
      EXPECT_EQ(journal->boot(1)->cause, "start");
    }
    journal.reset();
    journal = open_journal(line);
    EXPECT_EQ(check_all(*journal, line.head()).kept, held.kept);
  }
}

}  // namespace
}  // namespace vmline::os
