// SPDX-License-Identifier: Apache-2.0
// A line's history, by cases, and beside a model of a log that others truncate, extend and replace.
#include "line/history.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/limits.hpp"

namespace vmline::line {
namespace {

Time at(std::int64_t nanoseconds) { return Time(std::chrono::nanoseconds(nanoseconds)); }
line::Run run_at(std::uint64_t position, Offset offset, std::uint64_t before, std::uint64_t inode = 1) {
  return {position, before, offset, inode, at(1)};
}

TEST(History, OfAnEmptyLineIsEmpty) {
  History history;
  EXPECT_EQ(history.locate(0), Located(NotYet{}));
  EXPECT_EQ(history.end(), 0u);
  EXPECT_EQ(history.next_start(), 0u);
  EXPECT_TRUE(history.gaps().empty());
}

TEST(History, FindsWhatWasAppended) {
  History history;
  history.apply(run_at(10, 0, 10));  // the log was there already, with ten bytes of somebody
  history.advance(100);
  EXPECT_EQ(history.locate(0), Located(InLog{10, 100}));
  EXPECT_EQ(history.locate(99), Located(InLog{109, 1}));
  EXPECT_EQ(history.locate(100), Located(NotYet{}));
  EXPECT_TRUE(history.continues_at(110, 100));
}

TEST(History, TruncationMakesAGapAndMovesNoOffset) {
  History history;
  history.apply(run_at(0, 0, 0));
  history.advance(100);
  history.apply(run_at(30, 100, 30));  // cut to 30, then the byte with offset 100 came
  history.advance(150);
  EXPECT_EQ(history.locate(0), Located(InLog{0, 30}));
  EXPECT_EQ(history.locate(50), Located(Lost{{30, 100}, std::string(cause_truncated)}));
  EXPECT_EQ(history.locate(100), Located(InLog{30, 50}));
  history.apply(run_at(0, 150, 0));
  EXPECT_EQ(history.locate(149), Located(Lost{{0, 150}, std::string(cause_truncated)}));
  EXPECT_EQ(history.gap_totals().bytes, 150u);
  EXPECT_EQ(history.gap_totals().count, 1u);
}

TEST(History, OthersBytesAreNobodys) {
  History history;
  history.apply(run_at(0, 0, 0));
  history.advance(10);
  history.apply(run_at(15, 10, 10));
  history.advance(20);
  EXPECT_EQ(history.locate(5), Located(InLog{5, 5}));
  EXPECT_EQ(history.locate(10), Located(InLog{15, 10}));
  EXPECT_TRUE(history.gaps().empty());
}

TEST(History, AnotherFileHasNothingOfTheOldOne) {
  History history;
  history.apply(run_at(0, 0, 0, 1));
  history.advance(10);
  history.apply(run_at(0, 10, 0, 2));
  EXPECT_EQ(history.locate(3), Located(Lost{{0, 10}, std::string(cause_replaced)}));
  EXPECT_EQ(history.first_kept(), 10u);
}

TEST(History, ALossOfUnknownLengthIsToldWhereItWas) {
  History history;
  history.apply(run_at(0, 0, 0));
  history.advance(10);
  Gap loss{{5, 5}, at(3), "the monitor dropped it"};
  history.apply(loss);
  history.apply(loss);
  EXPECT_EQ(history.gaps(), std::vector<Gap>{loss});
  EXPECT_EQ(history.locate(5), Located(InLog{5, 5}));
  EXPECT_EQ(history.gap_totals().count, 1u);
}

TEST(History, GoesOnWhereItEndedOrElseAboveAllThatMayHaveBeenTold) {
  History history;
  history.apply(Ceiling{1000});
  history.apply(run_at(0, 0, 0));
  history.settle(70);
  EXPECT_EQ(history.end(), 70u);
  EXPECT_EQ(history.next_start(), 1000u);
  history.apply(End{70, at(1)});
  EXPECT_EQ(history.next_start(), 70u);
  history.apply(Boot{2, 70, 70, at(2), "start"});
  EXPECT_EQ(history.next_start(), 70u);
  history.apply(Ceiling{500});
  EXPECT_EQ(history.next_start(), 500u);
}

TEST(History, WhatStandsInTheLogAboveTheCeilingIsNotOurs) {
  History history;
  history.apply(Ceiling{50});
  history.apply(run_at(0, 0, 0));
  history.settle(70);
  EXPECT_EQ(history.end(), 50u);
}

TEST(History, AfterACleanEndOthersBytesBehindItAreNotOurs) {
  History history;
  history.apply(run_at(0, 0, 0));
  history.apply(End{40, at(1)});
  history.settle(70);
  EXPECT_EQ(history.end(), 40u);
  EXPECT_EQ(history.locate(39), Located(InLog{39, 1}));
}

TEST(History, KnowsBootsByNumberAndKeepsTheNewest) {
  History history;
  for (std::uint64_t number = 1; number <= limits::journal_boots + 1; ++number)
    history.apply(Boot{number, number * 10, number * 10, at(0), "guest reboot"});
  EXPECT_FALSE(history.boot(1));
  ASSERT_TRUE(history.boot(limits::journal_boots));
  EXPECT_EQ(history.boot(limits::journal_boots)->offset, limits::journal_boots * 10);
  history.apply(Boot{limits::journal_boots, 7, 7, at(0), "said again"});
  EXPECT_EQ(history.boot(limits::journal_boots)->offset, 7u);
  EXPECT_LE(history.boots().size(), limits::journal_boots);
}

TEST(History, ForgetsTheOldestPiecesBeforeTheyAreTooMany) {
  History history;
  Offset offset = 0;
  std::uint64_t position = 0;
  for (std::size_t i = 0; i < limits::journal_pieces + 10; ++i) {
    history.apply(run_at(position, offset, position));
    offset += 5;
    history.advance(offset);
    position += 6;  // somebody adds a byte each time
  }
  EXPECT_EQ(history.locate(offset - 1), Located(InLog{position - 2, 1}));
  EXPECT_EQ(history.locate(0), Located(Lost{{0, history.first_kept()}, std::string(cause_no_record)}));
  EXPECT_GT(history.first_kept(), 0u);
}

/// A log as it really is: for each position the offset of the line's byte that stands there, or -1 for somebody else's.
struct Model {
  std::vector<std::int64_t> log;
  Offset journaled = 0;
  std::uint64_t expected = 0;
  std::uint64_t inode = 1;
  History history;
  std::vector<Record> records;

  void record(const Record& one) {
    history.apply(one);
    records.push_back(one);
  }
  void reconcile() {
    if (log.size() == expected && history.continues_at(expected, journaled)) return;
    record(run_at(log.size(), journaled, std::min<std::uint64_t>(log.size(), expected), inode));
    expected = log.size();
  }
  void write(std::size_t count) {
    reconcile();
    for (std::size_t i = 0; i < count; ++i) log.push_back(static_cast<std::int64_t>(journaled++));
    expected = log.size();
    history.advance(journaled);
  }
  void give_up(std::size_t count) {
    reconcile();
    record(Gap{{journaled, journaled + count}, at(2), std::string(cause_behind)});
    journaled += count;
    reconcile();
  }
  void check(const History& other) const {
    for (Offset offset = 0; offset < journaled; ++offset) {
      auto located = other.locate(offset);
      if (auto* found = std::get_if<InLog>(&located)) {
        ASSERT_GE(found->length, 1u);
        ASSERT_LE(found->position + found->length, log.size());
        for (std::size_t i = 0; i < found->length; ++i) ASSERT_EQ(log[found->position + i], static_cast<std::int64_t>(offset + i));
      } else {
        ASSERT_TRUE(std::holds_alternative<Lost>(located));
        auto range = std::get<Lost>(located).range;
        ASSERT_TRUE(range.begin <= offset && offset < range.end);
        ASSERT_EQ(std::ranges::count(log, static_cast<std::int64_t>(offset)), 0) << offset;
      }
    }
    ASSERT_EQ(other.locate(journaled), Located(NotYet{}));
    ASSERT_EQ(other.end(), journaled);
  }
  [[nodiscard]] History rebuilt(const std::vector<Record>& from) const {
    History other;
    for (const auto& one : from) {
      auto bytes = encode_record(one);
      parse_records(std::as_bytes(std::span(bytes)), [&](Record decoded) { other.apply(decoded); });
    }
    other.settle(log.size());
    return other;
  }
};

TEST(History, FollowsALogThatOthersTruncateExtendAndReplaceAndIsTheSameReadFromItsRecords) {
  std::mt19937 random(7);
  auto upto = [&](std::size_t most) { return random() % (most + 1); };
  for (int round = 0; round < 400; ++round) {
    Model model;
    model.log.assign(upto(3), -1);
    model.expected = model.log.size();
    for (int step = 0; step < 30; ++step) {
      switch (upto(5)) {
        case 0: model.log.resize(upto(3) == 0 ? 0 : upto(model.log.size())); break;
        case 1: model.log.resize(model.log.size() + upto(4), -1); break;
        case 2: model.give_up(1 + upto(4)); break;
        case 3:
          if (upto(4) == 0) {
            model.log.clear();
            model.expected = 0;
            ++model.inode;
            model.record(run_at(0, model.journaled, 0, model.inode));
          }
          break;
        default: model.write(1 + upto(6));
      }
      model.reconcile();
      if (!model.records.empty() && upto(3) == 0) model.record(model.records.back());  // a keeper killed between two steps says it again
      ASSERT_NO_FATAL_FAILURE(model.check(model.history));
    }
    auto again = model.rebuilt(model.records);
    ASSERT_NO_FATAL_FAILURE(model.check(again));
    auto ranges = [](const History& history) {
      std::vector<std::pair<Offset, Offset>> found;
      for (const auto& gap : history.gaps()) found.emplace_back(gap.range.begin, gap.range.end);
      return found;
    };
    ASSERT_EQ(ranges(again), ranges(model.history));
    auto compacted = model.rebuilt(model.history.records());
    ASSERT_NO_FATAL_FAILURE(model.check(compacted));
    ASSERT_EQ(compacted.gaps(), model.history.gaps());
  }
}

}  // namespace
}  // namespace vmline::line
