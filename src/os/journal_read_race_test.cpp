// SPDX-License-Identifier: Apache-2.0
// A reader that is stopped inside its very pread while somebody truncates the log and the journal goes on writing: what it is about to
// copy changes under its hands. The page it reads into is held back by userfaultfd, so that this is no matter of luck.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "os/journal_test_line.hpp"

namespace vmline::os {
namespace {

constexpr std::size_t page_size = 4096;

/// A page of memory at whose first touch, by a system call too, the toucher stops until it is let go.
class HeldPage {
 public:
  HeldPage() : fault_(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK))) {
    uffdio_api api{};
    api.api = UFFD_API;
    at_ = ::mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uffdio_register region{};
    region.range = {reinterpret_cast<std::uintptr_t>(at_), page_size};
    region.mode = UFFDIO_REGISTER_MODE_MISSING;
    works_ = fault_ && ::ioctl(fault_.get(), UFFDIO_API, &api) == 0 && ::ioctl(fault_.get(), UFFDIO_REGISTER, &region) == 0;
  }
  ~HeldPage() { ::munmap(at_, page_size); }
  HeldPage(const HeldPage&) = delete;
  HeldPage& operator=(const HeldPage&) = delete;

  [[nodiscard]] bool works() const { return works_; }
  [[nodiscard]] std::span<std::byte> bytes() const { return {static_cast<std::byte*>(at_), page_size}; }
  /// Until somebody has touched it.
  void wait() const {
    pollfd one{fault_.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&one, 1, 10000), 1);
    ASSERT_EQ(one.revents, POLLIN);
  }
  void let_go() const {
    uffdio_zeropage zero{};
    zero.range = {reinterpret_cast<std::uintptr_t>(at_), page_size};
    ASSERT_EQ(::ioctl(fault_.get(), UFFDIO_ZEROPAGE, &zero), 0);
  }

 private:
  UniqueFd fault_;
  void* at_ = nullptr;
  bool works_ = false;
};

enum class Then { nothing, goes_on };
class JournalReadRace : public testing::TestWithParam<Then> {};
INSTANTIATE_TEST_SUITE_P(TheJournal, JournalReadRace, testing::Values(Then::nothing, Then::goes_on),
                         [](const auto& each) { return each.param == Then::nothing ? "Waits" : "GoesOn"; });

TEST_P(JournalReadRace, WhatATruncationChangesInTheMiddleOfAReadIsNotHandedOut) {
  HeldPage page;
  if (!page.works()) GTEST_SKIP() << "userfaultfd for system calls needs root";
  TestLine line("/dev/shm");
  auto journal = Journal::open(line.options, {}).value();
  line.send(2000);
  ASSERT_TRUE(append_all(*journal, 2000, line.low));
  Result<ReadResult> result = fail("not read yet");
  std::thread reader([&] { result = journal->read(100, page.bytes()); });
  page.wait();
  // The page of the log that is being copied stays, and is zeroed from byte 1 on; then it is filled with what comes next.
  EXPECT_EQ(::truncate(line.options.log_path.c_str(), 1), 0);
  if (GetParam() == Then::goes_on) {
    line.send(3000);
    EXPECT_TRUE(append_all(*journal, 5000, line.low));
  }
  page.let_go();
  reader.join();
  ASSERT_TRUE(result);
  ASSERT_TRUE(std::holds_alternative<line::Lost>(*result));
  EXPECT_EQ(std::get<line::Lost>(*result).range, (Range{1, 2000}));
}

}  // namespace
}  // namespace vmline::os
