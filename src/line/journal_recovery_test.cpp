// SPDX-License-Identifier: Apache-2.0
// A model of one write to a log that others truncate and whose writer is killed, run through all of its courses: wherever the evidence
// leaves only one course possible the recovery must find it, and must never answer with a course that is impossible.
#include "line/journal_recovery.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace vmline::line {
namespace {

enum class Description { kept, gone };

struct Course {
  WriteNote note;
  std::string stream;  ///< [0, head)
  std::string log;     ///< as it is found
  std::uint64_t position = 0;
  Offset low = 0;
  Offset journaled = 0;  ///< the truth
  std::uint64_t start = 0;
};

Recovered recover(const Course& course, Description description) {
  LogSeen seen{course.log.size(), std::nullopt};
  if (description == Description::kept) seen.position = course.position;
  auto window = evidence_window(course.note, seen, {course.low, course.stream.size()});
  std::string_view log = course.log;
  std::string_view spool = course.stream;
  return recover_write(course.note, seen, window, std::as_bytes(std::span(log.substr(window.log_begin, window.log_end - window.log_begin))),
                       std::as_bytes(std::span(spool.substr(window.spool.begin, window.spool.length()))));
}

using Cuts = std::vector<std::size_t>;
const Cuts any_cut{0, 1, 2, 3, 4, 5, 6};

/// Every course of a write of `length` bytes to a log of `size`, truncated to one of these sizes (or not) before and after.
std::vector<Course> courses(std::size_t size, std::size_t length, const Cuts& cuts_before, const Cuts& cuts_after) {
  std::vector<Course> all;
  const std::size_t total = size + length;
  for (unsigned bits = 0; bits < 1u << total; ++bits) {
    Course course;
    for (std::size_t i = 0; i < total; ++i) course.stream.push_back((bits >> i & 1) ? 'b' : 'a');
    course.note = {size, size, length};
    std::vector<std::string> before{course.stream.substr(0, size)};
    for (auto cut : cuts_before) {
      if (cut < size) before.push_back(before[0].substr(0, cut));
    }
    for (const auto& old : before) {
      for (std::size_t k = 0; k <= length; ++k) {
        course.start = old.size();
        course.journaled = size + k;
        course.position = k == 0 ? 0 : old.size() + k;
        std::string written = old + course.stream.substr(size, k);
        std::vector<std::string> after{written};
        for (auto cut : cuts_after) {
          if (cut < written.size()) after.push_back(written.substr(0, cut));
        }
        for (const auto& found : after) {
          course.log = found;
          for (Offset low : {std::size_t{0}, size, size + 1}) {
            course.low = low;
            if (low <= total) all.push_back(course);
          }
        }
      }
    }
  }
  return all;
}

class Exhaustive : public testing::TestWithParam<Description> {};

TEST_P(Exhaustive, FindsTheOnlyPossibleCourseAndNeverAnImpossibleOne) {
  std::size_t determined = 0;
  for (std::size_t size = 0; size <= 4; ++size) {
    for (std::size_t length = 1; length <= 3; ++length) {
      // With the description gone, a short match of log and spool is not believed: it takes others' bytes for ours. So to nothing only.
      auto all = courses(size, length, GetParam() == Description::kept ? any_cut : Cuts{0}, any_cut);
      auto evidence = [&](const Course& course) {
        return std::tuple(course.low, course.stream.substr(course.low), course.log, GetParam() == Description::kept ? course.position : 0);
      };
      std::map<decltype(evidence(all[0])), std::set<Offset>> truths;
      for (const auto& course : all) truths[evidence(course)].insert(course.journaled);
      for (const auto& course : all) {
        const auto& possible = truths[evidence(course)];
        auto recovered = recover(course, GetParam());
        ASSERT_TRUE(possible.contains(recovered.journaled))
            << "size " << size << " length " << length << " stream " << course.stream << " log " << course.log << " position "
            << course.position << " low " << course.low << ": " << recovered.journaled << " instead of " << course.journaled;
        determined += possible.size() == 1;
      }
    }
  }
  EXPECT_GT(determined, GetParam() == Description::kept ? 30000u : 1500u);
}
INSTANTIATE_TEST_SUITE_P(JournalRecovery, Exhaustive, testing::Values(Description::kept, Description::gone),
                         [](const auto& each) { return each.param == Description::kept ? "DescriptionKept" : "DescriptionGone"; });

// What copytruncate does, and what Journal::append limits its writes for: no write is longer than the log, unless the log is empty.
TEST(JournalRecovery, TruncationToNothingNeverLeavesADoubtWhateverTheContent) {
  for (std::size_t size = 0; size <= 4; ++size) {
    for (std::size_t length = 1; length <= (size == 0 ? 4 : size); ++length) {
      for (const auto& course : courses(size, length, {0}, {0})) {
        auto recovered = recover(course, Description::kept);
        ASSERT_EQ(recovered.journaled, course.journaled) << course.stream << " " << course.log << " " << course.position;
        if (course.position > 0) {
          ASSERT_EQ(recovered.start, course.start);
        }
      }
    }
  }
}

TEST(JournalRecovery, WhatReadsBackIsTheStreamOrNothing) {
  // Whatever is recovered: below `before`, and from `start` to the end of what was written, the log holds the stream.
  for (auto description : {Description::kept, Description::gone}) {
    for (std::size_t size = 0; size <= 4; ++size) {
      for (const auto& course : courses(size, 3, any_cut, any_cut)) {
        if (course.low > 0) continue;  // what the spool has no more cannot be compared
        auto recovered = recover(course, description);
        std::uint64_t old_end = std::min<std::uint64_t>({recovered.before, size, course.log.size()});
        ASSERT_EQ(course.log.substr(0, old_end), course.stream.substr(0, old_end)) << course.stream;
        std::uint64_t end = std::min<std::uint64_t>(recovered.end(course.note), course.log.size());
        if (end > recovered.start) {
          ASSERT_EQ(course.log.substr(recovered.start, end - recovered.start), course.stream.substr(size, end - recovered.start));
        }
      }
    }
  }
}

std::string text(std::size_t from, std::size_t length) {
  std::string bytes;
  for (std::size_t i = from; i < from + length; ++i) bytes.push_back(static_cast<char>(i * 2654435761u >> 13));
  return bytes;
}

TEST(JournalRecovery, OthersWhoAppendedInBetweenAreToldApart) {
  Course course{{1000, 1000, 300}, text(0, 1300), "", 0, 0, 0, 0};
  for (auto description : {Description::kept, Description::gone}) {
    for (std::size_t k : {0, 1, 200, 300}) {
      // After the write.
      course.log = course.stream.substr(0, 1000 + k) + "Hello from someone else";
      course.position = k == 0 ? 0 : 1000 + k;
      auto recovered = recover(course, description);
      EXPECT_EQ(recovered.journaled, 1000 + k);
      EXPECT_EQ(recovered.start, 1000u);
    }
  }
  // Between note and write, more and less than the write has.
  for (std::size_t foreign : {10, 1000}) {
    for (std::size_t k : {100, 300}) {
      course.log = course.stream.substr(0, 1000) + std::string(foreign, '#') + course.stream.substr(1000, k);
      course.position = course.log.size();
      auto recovered = recover(course, Description::kept);
      EXPECT_EQ(recovered.journaled, 1000 + k);
      EXPECT_EQ(recovered.start, 1000 + foreign);
      EXPECT_EQ(recovered.before, 1000u);
    }
  }
}

TEST(JournalRecovery, TruncatedToNothingAndWrittenWhileEverybodyDied) {
  // The log is long, the spool short: what was in the log before cannot be compared with anything.
  Course course{{100000, 100000, 300}, text(0, 100300), "", 0, 99000, 0, 0};
  for (std::size_t k : {0, 1, 200, 300}) {
    course.log = course.stream.substr(100000, k);
    auto recovered = recover(course, Description::gone);
    EXPECT_EQ(recovered.journaled, 100000 + k);
    EXPECT_EQ(recovered.end(course.note), k);
  }
  // Cut down to a piece of the past.
  course.log = course.stream.substr(0, 5000);
  EXPECT_EQ(recover(course, Description::gone).journaled, 100000u);
}

TEST(JournalRecovery, WhatSomebodyElseOverwroteIsWrittenAgainBehindIt) {
  Course course{{1000, 1000, 300}, text(0, 1300), text(0, 1000) + std::string(300, '?'), 1300, 0, 0, 0};
  auto recovered = recover(course, Description::kept);
  EXPECT_EQ(recovered.journaled, 1000u);
  EXPECT_EQ(recovered.start, 1300u);
  EXPECT_EQ(recovered.before, 1000u);
}

TEST(JournalRecovery, WithNoWriteUnderWayTheNoteIsRight) {
  Course course{{7, 3, 0}, text(0, 100), "xx", 99, 0, 0, 0};
  EXPECT_EQ(recover(course, Description::kept).journaled, 7u);
  EXPECT_EQ(recover(course, Description::gone).journaled, 7u);
}

}  // namespace
}  // namespace vmline::line
