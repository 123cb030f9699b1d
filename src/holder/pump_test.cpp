// SPDX-License-Identifier: Apache-2.0
// The pump of last resort, killed at random moments in a flood: every byte in its place.
#include "holder/pump.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "wire/holder/line_note.hpp"

namespace vmline::holder {
namespace {

using std::chrono_literals::operator""ms;
using Word = std::uint64_t;

/// A line on tmpfs: a FIFO, a spool that begins at `base`, its note.
class PumpTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t base = 5 * 4096 + 16;

  void SetUp() override {
    char path[] = "/dev/shm/vmline-pump-test-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    folder_ = path;
    ASSERT_EQ(::mkfifo((folder_ + "/fifo").c_str(), 0600), 0);
    fifo_.reset(::open((folder_ + "/fifo").c_str(), O_RDWR | O_CLOEXEC));
    ::fcntl(fifo_.get(), F_SETPIPE_SZ, 1 << 20);
    spool_.reset(::open((folder_ + "/spool").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::ftruncate(spool_.get(), base), 0);
    note_.reset(::open((folder_ + "/note").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    wire::LineNote note;
    note.base = note.low = base;
    ASSERT_EQ(::pwrite(note_.get(), &note, sizeof(note), 0), sizeof(note));
  }
  void TearDown() override {
    for (const char* file : {"/fifo", "/spool", "/note"}) ::unlink((folder_ + file).c_str());
    ::rmdir(folder_.c_str());
  }

  static int copy_of(const UniqueFd& fd) { return ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0); }
  std::unique_ptr<HeldTable> hold_all() const {
    auto held = std::make_unique<HeldTable>();
    held->put("fifo:s", wire::Kind::plain, copy_of(fifo_));
    held->put("spool:s", wire::Kind::plain, copy_of(spool_));
    held->put("note:s", wire::Kind::plain, copy_of(note_));
    return held;
  }

  /// Pumps in a child until it is killed.
  [[nodiscard]] pid_t start_pump(std::uint64_t backlog, Milliseconds stall) const {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);  // it tells of each takeover
    const auto held = hold_all();
    auto log = std::make_unique<Log>();
    auto set = std::make_unique<PollSet>();
    Pump pump;
    pump.allow("s", backlog, stall);
    for (Moment now = clock_now();; now = clock_now()) {
      pump.take(*held, *log, now);
      set->clear();
      pump.prepare(*set, *held, now);
      set->wake_at(now + 1ms);
      set->wait(now);
      pump.serve(*set, *held, *log, clock_now());
    }
  }
  static void kill_and_reap(pid_t pid) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }

  [[nodiscard]] std::uint64_t head() const {
    struct stat status{};
    ::fstat(spool_.get(), &status);
    return static_cast<std::uint64_t>(status.st_size);
  }
  [[nodiscard]] std::uint64_t low() const {
    wire::LineNote note;
    EXPECT_EQ(::pread(note_.get(), &note, sizeof(note), 0), sizeof(note));
    return note.low;
  }
  /// Word number i was written at base + 8 * i.
  void expect_exact(std::uint64_t from, std::uint64_t to) const {
    std::vector<Word> words(1 << 16);
    from = base + (from - base + 7) / 8 * 8;
    for (std::uint64_t at = from; at + 8 <= to;) {
      const std::size_t want = std::min<std::uint64_t>(words.size() * 8, (to - at) / 8 * 8);
      ASSERT_EQ(::pread(spool_.get(), words.data(), want, static_cast<off_t>(at)), static_cast<ssize_t>(want));
      for (std::size_t i = 0; i < want / 8; ++i) ASSERT_EQ(words[i], (at - base) / 8 + i) << "at " << at;
      at += want;
    }
  }
  /// A child that writes `count` words in pieces of random sizes.
  [[nodiscard]] pid_t start_writer(Word count) const {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    std::mt19937 random(7);
    std::vector<Word> words(8192);
    for (Word next = 0; next < count;) {
      const std::size_t piece = std::min<Word>(count - next, 1 + random() % (random() % 8 == 0 ? words.size() : 64));
      for (std::size_t i = 0; i < piece; ++i) words[i] = next + i;
      const auto* bytes = reinterpret_cast<const char*>(words.data());
      for (std::size_t sent = 0; sent < piece * 8;) sent += ::write(fifo_.get(), bytes + sent, piece * 8 - sent);
      next += piece;
    }
    ::_exit(0);
  }

  std::string folder_;
  UniqueFd fifo_, spool_, note_;
};

TEST_F(PumpTest, KilledTwoHundredTimesInAFloodTheSpoolIsExact) {
  constexpr Word count = 24u << 20;  // 192 MiB
  const pid_t writer = start_writer(count);
  std::mt19937 random(3);
  int kills = 0;
  while (kills < 200 && ::waitpid(writer, nullptr, WNOHANG) == 0) {
    const pid_t pump = start_pump(2 << 20, 0ms);
    ::usleep(static_cast<useconds_t>(200 + random() % 4000));
    kill_and_reap(pump);
    ++kills;
  }
  const pid_t pump = start_pump(2 << 20, 0ms);
  if (kills == 200) ::waitpid(writer, nullptr, 0);
  for (int i = 0; i < 5000 && head() < base + count * 8; ++i) ::usleep(1000);
  kill_and_reap(pump);
  EXPECT_EQ(head(), base + count * 8);
  EXPECT_LT(low(), head());
  EXPECT_GT(low(), base);
  expect_exact(low(), head());
  RecordProperty("kills", kills);
  EXPECT_GT(kills, 20);
}

TEST_F(PumpTest, FullItWaitsForTheStallLimitAndThenGivesUpTheOldestPages) {
  constexpr std::uint64_t backlog = 256 << 10;
  const pid_t pump = start_pump(backlog, 300ms);
  const Moment began = clock_now();
  const pid_t writer = start_writer(2 << 18);  // 4 MiB: more than backlog and pipe
  while (head() < base + backlog && clock_now() - began < 5000ms) ::usleep(500);
  const Moment full = clock_now();
  while (low() == base && clock_now() - began < 5000ms) ::usleep(500);
  EXPECT_GE(clock_now() - full, 250ms);
  EXPECT_EQ(::waitpid(writer, nullptr, 0), writer);
  const Moment resumed = clock_now();
  while (head() < base + (2 << 18) * 8 && clock_now() - resumed < 5000ms) ::usleep(500);
  EXPECT_LT(clock_now() - resumed, 200ms) << "there is one stall, not one for each piece";
  kill_and_reap(pump);
  EXPECT_EQ(head(), base + (2 << 18) * 8);
  EXPECT_LE(head() - low(), backlog);
  EXPECT_GE(head() - low(), backlog / 2);
  EXPECT_EQ(low() % static_cast<std::uint64_t>(::getpagesize()), 0U);
  expect_exact(low(), head());
  // What was given up takes no memory any more, and nothing above it was punched out.
  EXPECT_EQ(::lseek(spool_.get(), 0, SEEK_DATA), static_cast<off_t>(low()));
  struct stat status{};
  ::fstat(spool_.get(), &status);
  EXPECT_LE(static_cast<std::uint64_t>(status.st_blocks) * 512, backlog + 4096);
}

TEST_F(PumpTest, WhileSomebodyElseHasTheLineNothingIsMoved) {
  const UniqueFd other(::open((folder_ + "/spool").c_str(), O_RDWR | O_CLOEXEC));
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  ASSERT_EQ(::fcntl(other.get(), F_OFD_SETLK, &whole), 0);
  const Word word = 0;
  ASSERT_EQ(::write(fifo_.get(), &word, sizeof(word)), 8);

  const auto held = hold_all();
  auto log = std::make_unique<Log>();
  auto set = std::make_unique<PollSet>();
  Pump pump;
  pump.allow("s", 1 << 20, 0ms);
  const auto turn = [&](Moment now) {
    pump.take(*held, *log, now);
    set->clear();
    pump.prepare(*set, *held, now);
    set->wake_at(now);
    set->wait(now);
    pump.serve(*set, *held, *log, now);
  };
  turn(1000ms);
  EXPECT_FALSE(pump.running());
  EXPECT_EQ(head(), base);
  whole.l_type = F_UNLCK;
  ASSERT_EQ(::fcntl(other.get(), F_OFD_SETLK, &whole), 0);
  turn(1020ms);
  EXPECT_TRUE(pump.running());
  EXPECT_EQ(head(), base + 8);

  // Two of ours as well: the second one has to wait until the first is released.
  Pump second;
  second.allow("s", 1 << 20, 0ms);
  second.take(*held, *log, 1020ms);
  EXPECT_FALSE(second.running());
  pump.release();
  second.take(*held, *log, 1040ms);
  EXPECT_TRUE(second.running());
  for (const char* name : {"fifo:s", "spool:s", "note:s"}) held->drop(held->find(name));
}

TEST_F(PumpTest, ANoteThatIsNoneStopsIt) {
  const std::uint64_t wrong = 1;
  ASSERT_EQ(::pwrite(note_.get(), &wrong, sizeof(wrong), 0), 8);
  const auto held = hold_all();
  Log log;
  Pump pump;
  pump.allow("s", 1 << 20, 0ms);
  pump.take(*held, log, 1000ms);
  EXPECT_FALSE(pump.running());
  for (const char* name : {"fifo:s", "spool:s", "note:s"}) held->drop(held->find(name));
}

}  // namespace
}  // namespace vmline::holder
