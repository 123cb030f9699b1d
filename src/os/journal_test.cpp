// SPDX-License-Identifier: Apache-2.0
// A line's journal: what goes into the log, what others do to it meanwhile, and what is told of that.
#include "os/journal.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "os/files.hpp"
#include "os/journal_test_line.hpp"
#include "os/lock.hpp"

namespace vmline::os {
namespace {

std::unique_ptr<Journal> open_journal(const TestLine& line, UniqueFd kept = {}) {
  auto journal = Journal::open(line.options, std::move(kept));
  EXPECT_TRUE(journal) << journal.error().sentence();
  return journal ? std::move(*journal) : nullptr;
}
UniqueFd keep(const Journal& journal) { return UniqueFd(::fcntl(journal.log_fd(), F_DUPFD_CLOEXEC, 0)); }

TEST(Journal, TheLogIsWhatWasSentAndNothingElse) {
  TestLine line;
  line.send(700000);
  auto journal = open_journal(line);
  EXPECT_EQ(append_all(*journal, line.head(), line.low).value(), 700000u);
  EXPECT_EQ(line.log(), sent(Range{0, 700000}));
  EXPECT_EQ(check_all(*journal, line.head()).kept, 700000u);
  std::array<std::byte, 1> one{};
  EXPECT_TRUE(std::holds_alternative<line::NotYet>(journal->read(700000, one).value()));
  struct stat st{};
  ASSERT_EQ(::stat(line.options.log_path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST(Journal, GoesOnWhereAPredecessorStopped) {
  TestLine line;
  for (bool kept : {false, true, false, true}) {
    UniqueFd log;
    {
      auto journal = open_journal(line);
      line.send(1000);
      ASSERT_TRUE(append_all(*journal, line.head(), line.low));
      if (kept) log = keep(*journal);
    }
    auto journal = open_journal(line, std::move(log));
    EXPECT_EQ(journal->journaled(), line.head());
    line.send(1000);
    ASSERT_TRUE(append_all(*journal, line.head(), line.low));
  }
  EXPECT_EQ(line.log(), sent(Range{0, 8000}));
}

TEST(Journal, SomebodysTruncationMovesNoOffsetAndMakesNoHole) {
  TestLine line;
  auto journal = open_journal(line);
  line.send(1000);
  ASSERT_TRUE(append_all(*journal, line.head(), line.low));
  for (off_t size : {300, 0}) {
    ASSERT_EQ(::truncate(line.options.log_path.c_str(), size), 0);
    // Before anything more is written, a reader sees it already.
    auto held = check_all(*journal, line.head());
    EXPECT_EQ(held.kept, static_cast<std::uint64_t>(size));
    line.send(500);
    ASSERT_TRUE(append_all(*journal, line.head(), line.low));
    EXPECT_EQ(line.log(), sent(Range{0, static_cast<Offset>(size)}) + sent(Range{line.head() - 500, line.head()}));
    held = check_all(*journal, line.head());
    EXPECT_EQ(held.kept, line.log().size());
  }
  ASSERT_EQ(journal->gaps().size(), 1u);
  EXPECT_EQ(journal->gaps()[0].range, (Range{0, 1500}));
  EXPECT_EQ(journal->gaps()[0].cause, line::cause_truncated);
  EXPECT_EQ(journal->first_kept(), 1500u);
}

TEST(Journal, ATruncationWhileNobodyWasThereIsNoticed) {
  for (bool kept : {false, true}) {
    TestLine line;
    UniqueFd log;
    {
      auto journal = open_journal(line);
      line.send(1000);
      ASSERT_TRUE(append_all(*journal, line.head(), line.low));
      if (kept) log = keep(*journal);
    }
    ASSERT_EQ(::truncate(line.options.log_path.c_str(), 100), 0);
    auto journal = open_journal(line, std::move(log));
    EXPECT_EQ(journal->journaled(), 1000u);
    EXPECT_EQ(check_all(*journal, 1000).kept, 100u);
    line.send(50);
    ASSERT_TRUE(append_all(*journal, line.head(), line.low));
    EXPECT_EQ(line.log(), sent(Range{0, 100}) + sent(Range{1000, 1050}));
  }
}

TEST(Journal, OthersBytesInTheLogAreNotTheLines) {
  TestLine line;
  {
    std::ofstream(line.options.log_path) << "an older file\n";
  }
  auto journal = open_journal(line);
  line.send(100);
  ASSERT_TRUE(append_all(*journal, line.head(), line.low));
  {
    std::ofstream(line.options.log_path, std::ios::app) << "a note by somebody\n";
  }
  line.send(100);
  ASSERT_TRUE(append_all(*journal, line.head(), line.low));
  EXPECT_EQ(line.log(), "an older file\n" + sent(Range{0, 100}) + "a note by somebody\n" + sent(Range{100, 200}));
  EXPECT_EQ(check_all(*journal, 200).kept, 200u);
  EXPECT_TRUE(journal->gaps().empty());
}

TEST(Journal, ALogThatIsMovedOrDeletedIsMadeAnew) {
  TestLine line;
  auto journal = open_journal(line);
  line.send(100);
  ASSERT_TRUE(append_all(*journal, line.head(), line.low));
  std::filesystem::rename(line.options.log_path, line.disk() + "/serial0.log.1");
  line.send(100);
  auto generation = journal->log_generation();
  EXPECT_EQ(journal->append(line.head(), line.low).value(), 0u);  // so that the new one can be held first
  EXPECT_NE(journal->log_generation(), generation);
  ASSERT_TRUE(append_all(*journal, line.head(), line.low));
  EXPECT_EQ(line.log(), sent(Range{100, 200}));
  EXPECT_EQ(TestLine::file(line.disk() + "/serial0.log.1"), sent(Range{0, 100}));
  std::filesystem::remove(line.options.log_path);
  line.send(100);
  ASSERT_TRUE(append_all(*journal, line.head(), line.low));
  EXPECT_EQ(line.log(), sent(Range{200, 300}));
  auto held = check_all(*journal, 300);
  EXPECT_EQ(held.kept, 100u);
  EXPECT_EQ(journal->gaps()[0].cause, line::cause_replaced);
}

TEST(Journal, ALogThatWasMovedWhileNobodyWasThereIsFinishedAndLeft) {
  for (bool kept : {false, true}) {
    TestLine line;
    UniqueFd log;
    {
      auto journal = open_journal(line);
      line.send(100);
      ASSERT_TRUE(append_all(*journal, line.head(), line.low));
      if (kept) log = keep(*journal);
    }
    std::filesystem::rename(line.options.log_path, line.disk() + "/serial0.log.1");
    line.send(100);
    auto journal = open_journal(line, std::move(log));
    ASSERT_TRUE(append_all(*journal, line.head(), line.low));
    EXPECT_EQ(line.log(), sent(Range{100, 200}));
    EXPECT_EQ(check_all(*journal, 200).kept, 100u);
  }
}

TEST(Journal, WhatIsGivenUpIsAGapOfExactLength) {
  TestLine line;
  auto journal = open_journal(line);
  line.send(1000);
  ASSERT_TRUE(append_all(*journal, 400, line.low));
  line.give_up_below(900);
  ASSERT_TRUE(append_all(*journal, line.head(), line.low));
  EXPECT_EQ(line.log(), sent(Range{0, 400}) + sent(Range{900, 1000}));
  ASSERT_EQ(journal->gaps().size(), 1u);
  EXPECT_EQ(journal->gaps()[0].range, (Range{400, 900}));
  EXPECT_EQ(journal->gap_totals().bytes, 500u);
  journal.reset();
  journal = open_journal(line);
  EXPECT_EQ(journal->journaled(), 1000u);
  EXPECT_EQ(check_all(*journal, 1000).kept, 500u);
}

TEST(Journal, RefusesWhatIsNoPlainFileAndLeavesItAlone) {
  TestLine line;
  ASSERT_EQ(::mkfifo(line.options.log_path.c_str(), 0600), 0);
  auto refused = Journal::open(line.options, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sentence(), "log " + line.options.log_path + " is a FIFO: a line's log must be a plain file");
  line.options.log_path = "/dev/null";
  EXPECT_EQ(Journal::open(line.options, {}).error().sentence(), "log /dev/null is a device: a line's log must be a plain file");
  line.options.log_path = line.disk();
  EXPECT_NE(Journal::open(line.options, {}).error().sentence().find("is a folder"), std::string::npos);
  line.options.log_path = line.disk() + "/missing/serial0.log";
  EXPECT_EQ(Journal::open(line.options, {}).error().sentence(), "open log " + line.options.log_path + ": No such file or directory");
}

TEST(Journal, WaitsForAPredecessorThatIsStillThere) {
  TestLine line;
  auto first = open_journal(line);
  auto note = open_file("note", line.options.note_path, O_RDWR).value();
  EXPECT_FALSE(try_lock(note.get()).value());
  std::atomic<bool> released{false};
  std::thread second([&] {
    auto journal = open_journal(line);
    EXPECT_TRUE(released);
  });
  std::this_thread::yield();
  released = true;
  first.reset();
  second.join();
  EXPECT_TRUE(try_lock(note.get()).value());
}

TEST(Journal, ALossOfUnknownLengthIsToldAndTakesNoOffsets) {
  TestLine line;
  auto journal = open_journal(line);
  line.send(100);
  ASSERT_TRUE(append_all(*journal, line.head(), line.low));
  ASSERT_TRUE(journal->record_loss(50, "the monitor closed its socket with bytes in it"));
  journal.reset();
  journal = open_journal(line);
  ASSERT_EQ(journal->gaps().size(), 1u);
  EXPECT_EQ(journal->gaps()[0].range, (Range{50, 50}));
  EXPECT_EQ(check_all(*journal, 100).kept, 100u);
}

/// In a child with a mount namespace of its own, on a tmpfs of 1 MiB.
void fill_the_disk(TestLine& line, const std::string& folder) {
  line.options.log_path = folder + "/serial0.log";
  line.options.index_path = folder + "/serial0.idx";
  auto journal = open_journal(line);
  line.send(3u << 20);
  auto full = append_all(*journal, line.head(), line.low);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().number(), ENOSPC);
  Offset reached = journal->journaled();
  EXPECT_GT(reached, 500000u);
  EXPECT_EQ(line.log(), sent(Range{0, reached}));
  EXPECT_FALSE(append_all(*journal, line.head(), line.low));
  EXPECT_EQ(journal->journaled(), reached);
  // Killed here, the next one is as far.
  journal.reset();
  journal = open_journal(line);
  EXPECT_EQ(journal->journaled(), reached);
  // What the spool can keep no more is given up, also while not even the index can be written.
  line.give_up_below(reached + 12345);
  (void)journal->append(line.head(), line.low);
  ASSERT_EQ(::truncate(line.options.log_path.c_str(), 100), 0);
  line.give_up_below(line.head() - 4096);
  auto room = append_all(*journal, line.head(), line.low);
  ASSERT_TRUE(room) << room.error().sentence();
  EXPECT_EQ(line.log(), sent(Range{0, 100}) + sent(Range{line.head() - 4096, line.head()}));
  EXPECT_EQ(check_all(*journal, line.head()).kept, 4196u);
  journal.reset();
  journal = open_journal(line);
  auto held = check_all(*journal, line.head());
  EXPECT_EQ(held.kept, 4196u);
  EXPECT_EQ(held.kept + held.lost, line.head());
}

TEST(Journal, AFullDiskLosesNothingThatTheSpoolCanKeepAndTellsWhatItCannot) {
  TestLine line;
  std::string folder = line.disk() + "/small";
  std::filesystem::create_directory(folder);
  pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("vmline-test", folder.c_str(), "tmpfs", 0, "size=1m") != 0) {
      ::_exit(77);
    }
    fill_the_disk(line, folder);
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "mounting a small tmpfs needs root";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace vmline::os
