// SPDX-License-Identifier: Apache-2.0
// A flood through a real spool into a real log, whose journal is SIGKILLed at random moments, over and over, while somebody else truncates
// the log and readers read: nothing lost, nothing doubled, nothing wrong.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <functional>
#include <random>
#include <thread>

#include "os/journal_test_line.hpp"
#include "wire/holder/line_note.hpp"

namespace vmline::os {
namespace {

using std::chrono::microseconds;

/// What the processes of a test share.
struct Shared {
  std::atomic<Offset> head{0};
  std::atomic<Offset> low{0};
  std::atomic<Offset> journaled{0};
  std::atomic<std::uint64_t> reads{0};
  std::atomic<std::uint64_t> truncations{0};
};

class SharedMemory {
 public:
  SharedMemory() : at_(::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) { new (at_) Shared; }
  ~SharedMemory() { ::munmap(at_, sizeof(Shared)); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  Shared* operator->() { return static_cast<Shared*>(at_); }
  Shared& operator*() { return *static_cast<Shared*>(at_); }

 private:
  void* at_;
};

void send_descriptor(int socket, int fd) {
  char byte = 'x';
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::copy_n(reinterpret_cast<const char*>(&fd), sizeof fd, reinterpret_cast<char*>(CMSG_DATA(header)));
  (void)::sendmsg(socket, &message, MSG_NOSIGNAL);
}

UniqueFd receive_descriptor(int socket) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1) return {};
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  int fd = -1;
  if (header) std::copy_n(reinterpret_cast<const char*>(CMSG_DATA(header)), sizeof fd, reinterpret_cast<char*>(&fd));
  return UniqueFd(fd);
}

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  ::_exit(1);
}

void read_anywhere(const Journal& journal, Shared& shared, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> buffer(20000);
  while (true) {
    Offset end = journal.journaled();
    if (end == 0) continue;
    // Half of them near the end, where the log is being written and truncated.
    Offset from = random() % 2 ? random() % end : end - 1 - random() % std::min<Offset>(end, 100000);
    auto result = journal.read(from, buffer);
    if (!result) die(result.error().sentence());
    if (std::holds_alternative<line::NotYet>(*result)) die("not yet below J");
    if (auto* bytes = std::get_if<ReadBytes>(&*result)) {
      for (std::size_t i = 0; i < bytes->length; ++i) {
        if (static_cast<char>(buffer[i]) != sent(from + i)) die("a wrong byte was read");
      }
    }
    shared.reads.fetch_add(1);
    std::this_thread::sleep_for(microseconds(200));
  }
}

/// One life of a journal, until it is killed.
[[noreturn]] void live(const TestLine& line, Shared& shared, UniqueFd kept, int holder, unsigned seed) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  auto journal = Journal::open(line.options, std::move(kept));
  if (!journal) die(journal.error().sentence());
  if ((*journal)->journaled() < shared.journaled.load()) die("J went back");
  send_descriptor(holder, (*journal)->log_fd());
  char held = 0;
  if (::recv(holder, &held, 1, 0) != 1) ::_exit(0);
  std::thread reader([&] { read_anywhere(**journal, shared, seed); });
  std::mt19937_64 random(seed);
  while (true) {
    // In many small steps, so that it is nearly always in the middle of one.
    Offset upto = std::min<Offset>(shared.head.load(), (*journal)->journaled() + 1 + random() % (random() % 4 == 0 ? 250000 : 200));
    auto written = (*journal)->append(upto, shared.low);
    if (!written) die(written.error().sentence());
    shared.journaled.store((*journal)->journaled());
    if (*written == 0) std::this_thread::sleep_for(microseconds(50));
  }
}

[[noreturn]] void truncate_now_and_then(const TestLine& line, Shared& shared) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::mt19937_64 random(5);
  while (true) {
    std::this_thread::sleep_for(microseconds(random() % 60000));
    struct stat st{};
    if (::stat(line.options.log_path.c_str(), &st) != 0 || st.st_size == 0) continue;
    off_t size = random() % 2 ? 0 : static_cast<off_t>(random() % static_cast<std::uint64_t>(st.st_size));
    // Between the two looks it only grows, so that this never makes it longer.
    if (::truncate(line.options.log_path.c_str(), size) == 0) shared.truncations.fetch_add(1);
  }
}

void kill_and_wait(pid_t child) {
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
}

bool write_under_way(int note) {
  wire::holder::JournalNote content;
  EXPECT_EQ(::pread(note, &content, sizeof content, offsetof(wire::holder::LineNote, journal)), static_cast<ssize_t>(sizeof content));
  return content.length > 0;
}

enum class GiveUp { nothing, what_is_old };

/// So many lives, each killed at some moment within some milliseconds, in the flood. Every fourth time the log's description dies too.
void flood(TestLine& line, Shared& shared, int lives, GiveUp give_up) {
  std::mt19937_64 random(1);
  UniqueFd note(::open(line.options.note_path.c_str(), O_RDONLY | O_CLOEXEC));
  int written = 0;  // lives that came to it
  int midway = 0;   // lives that ended between the note before a write and the one after it
  UniqueFd kept;
  for (int life = 0; life < lives; ++life) {
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    UniqueFd ours(pair[0]);
    UniqueFd theirs(pair[1]);
    if (random() % 4 == 0) kept.reset();
    UniqueFd given(kept ? ::fcntl(kept.get(), F_DUPFD_CLOEXEC, 0) : -1);
    pid_t child = ::fork();
    if (child == 0) {
      ours.reset();
      kept.reset();
      live(line, shared, std::move(given), theirs.get(), static_cast<unsigned>(life));
    }
    given.reset();
    theirs.reset();
    bool held = false;
    // Some while they are taking up the line, most while they write.
    auto end = std::chrono::steady_clock::now() + (random() % 8 == 0 ? microseconds(random() % 8000) : std::chrono::seconds(10));
    while (std::chrono::steady_clock::now() < end) {
      if (line.head() - shared.journaled.load() < 400000) line.send(1 + random() % (random() % 4 == 0 ? 300 : 200000));
      shared.head.store(line.head());
      if (!held) {
        if (UniqueFd log = receive_descriptor(ours.get())) {
          kept = std::move(log);
          held = true;
          end = std::chrono::steady_clock::now() + microseconds(random() % 10000);
          (void)::send(ours.get(), "h", 1, MSG_NOSIGNAL);
        }
      }
      Offset keep = line.head() - std::min<Offset>(line.head(), give_up == GiveUp::nothing ? 500000 : 300000);
      if (give_up == GiveUp::nothing) keep = std::min(keep, shared.journaled.load());
      if (keep > shared.low.load() + 20000) {
        shared.low.store(keep);
        line.give_up_below(keep);
      }
      std::this_thread::sleep_for(microseconds(50));
    }
    // Most of them just when a write begins, or shortly after.
    if (held && random() % 4 != 0) {
      auto patience = std::chrono::steady_clock::now() + microseconds(20000);
      while (!write_under_way(note.get()) && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
      for (auto spin = random() % 2 * (random() % 2000); spin > 0; --spin) std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    ASSERT_NO_FATAL_FAILURE(kill_and_wait(child));
    written += held;
    midway += write_under_way(note.get());
  }
  EXPECT_GT(written, lives / 2);
  if (lives >= 100) {
    EXPECT_GT(midway, 0);
  }
  auto journal = Journal::open(line.options, std::move(kept));
  ASSERT_TRUE(journal) << journal.error().sentence();
  ASSERT_TRUE(append_all(**journal, line.head(), shared.low));
}

struct Place {
  const char* name;
  std::string folder;
  int lives;
};
#ifdef __SANITIZE_ADDRESS__
constexpr int many = 100;  // a fork costs it ten times as much
#else
constexpr int many = 300;
#endif
// On a disk each life waits for one fdatasync, and so long cannot be killed.
class JournalTorture : public testing::TestWithParam<Place> {};
INSTANTIATE_TEST_SUITE_P(On, JournalTorture,
                         testing::Values(Place{"Tmpfs", "/dev/shm", many}, Place{"Disk", TestLine::any_disk(), many / 5}),
                         [](const auto& each) { return each.param.name; });

TEST_P(JournalTorture, KilledAllTheTimeInAFloodTheLogIsExact) {
  TestLine line(GetParam().folder);
  SharedMemory shared;
  ASSERT_NO_FATAL_FAILURE(flood(line, *shared, GetParam().lives, GiveUp::nothing));
  EXPECT_TRUE(line.log() == sent(Range{0, line.head()}));
  auto journal = Journal::open(line.options, {}).value();
  EXPECT_EQ(journal->journaled(), line.head());
  for (const auto& gap : journal->gaps()) ADD_FAILURE() << gap.range.begin << " to " << gap.range.end << ": " << gap.cause;
  EXPECT_EQ(check_all(*journal, line.head()).kept, line.head());
  EXPECT_GT(shared->reads.load(), 100u);
}

TEST_P(JournalTorture, TruncatedAndKilledInAFloodWhatIsThereIsRightAndTheRestIsTold) {
  TestLine line(GetParam().folder);
  SharedMemory shared;
  pid_t truncator = ::fork();
  if (truncator == 0) truncate_now_and_then(line, *shared);
  flood(line, *shared, GetParam().lives, GiveUp::what_is_old);
  kill_and_wait(truncator);
  ASSERT_FALSE(HasFailure());
  EXPECT_GE(shared->truncations.load(), static_cast<unsigned>(GetParam().lives) / 6);
  auto journal = Journal::open(line.options, {}).value();
  EXPECT_EQ(journal->journaled(), line.head());
  auto held = check_all(*journal, line.head());
  EXPECT_EQ(held.kept + held.lost, line.head());
  // Each byte in the log is one of the line's, and stands there once: none is left over that no offset leads to.
  EXPECT_EQ(held.kept, line.log().size());
  EXPECT_EQ(std::ranges::count(line.log(), '\0'), 0);
  EXPECT_EQ(journal->gap_totals().bytes, held.lost);
}

/// Does `work` over and over in a thread, until it is destroyed.
class Repeat {
 public:
  explicit Repeat(std::function<void()> work)
      : thread_([this, work = std::move(work)] {
          while (!stop_) work();
        }) {}
  ~Repeat() {
    stop_ = true;
    thread_.join();
  }
  Repeat(const Repeat&) = delete;
  Repeat& operator=(const Repeat&) = delete;

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Kept short by truncations without a pause, so that other bytes stand at a position before whoever looked it up has read it.
TEST(JournalRace, NoReaderSeesAWrongByteWhateverTruncationsDo) {
  TestLine line("/dev/shm");
  auto journal = Journal::open(line.options, {}).value();
  line.send(1000);
  ASSERT_TRUE(append_all(*journal, line.head(), line.low));
  std::atomic<bool> wrong{false};
  std::uint64_t reads = 0;
  {
    std::vector<std::byte> buffer(3000);
    std::mt19937_64 random(3);
    Repeat truncate([&] { EXPECT_EQ(::truncate(line.options.log_path.c_str(), 0), 0); });
    Repeat read([&] {
      Offset end = journal->journaled();
      Offset from = end - 1 - random() % 1000;
      auto result = journal->read(from, buffer);
      if (auto* bytes = std::get_if<ReadBytes>(&*result)) {
        ++reads;
        std::string_view got(reinterpret_cast<const char*>(buffer.data()), bytes->length);
        if (got != sent(Range{from, from + bytes->length})) wrong = true;
      }
    });
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    while (std::chrono::steady_clock::now() < end) {
      line.send(100 + line.head() % 800);
      ASSERT_TRUE(append_all(*journal, line.head(), line.low));
    }
  }
  EXPECT_FALSE(wrong);
  EXPECT_GT(reads, 0u);
  auto held = check_all(*journal, line.head());
  EXPECT_EQ(held.kept, line.log().size());
  EXPECT_EQ(held.kept + held.lost, line.head());
}

TEST(JournalRace, WhatIsPunchedOutWhileItIsCopiedNeverComesIntoTheLogAsNuls) {
  TestLine line("/dev/shm");
  auto journal = Journal::open(line.options, {}).value();
  {
    std::mt19937_64 random(4);
    Repeat punch([&] {
      Offset low = line.low.load();
      Offset to = std::min(line.head(), std::max(low, journal->journaled()) + 4096 * (random() % 30));
      if (to > low) line.give_up_below(to);
      std::this_thread::sleep_for(microseconds(random() % 300));
    });
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
    while (std::chrono::steady_clock::now() < end) {
      line.send(100000);
      ASSERT_TRUE(append_all(*journal, line.head(), line.low));
    }
  }
  EXPECT_EQ(std::ranges::count(line.log(), '\0'), 0);
  auto held = check_all(*journal, line.head());
  EXPECT_EQ(held.kept, line.log().size());
  EXPECT_GT(held.lost, 0u);
}

}  // namespace
}  // namespace vmline::os
