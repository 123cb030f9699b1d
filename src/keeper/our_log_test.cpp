// SPDX-License-Identifier: Apache-2.0
// Our own log: what a line looks like, that a disk that hangs costs messages and no memory, and what journald is sent.
#include "keeper/our_log.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "base/limits.hpp"
#include "base/unique_fd.hpp"

namespace vmline::keeper {
namespace {

class OurLog : public testing::Test {
 protected:
  OurLog() {
    char name[] = "/tmp/vmline-our-log-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~OurLog() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path() const { return folder_ + "/vmline.log"; }
  static std::string content(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  std::string folder_;
  RunOnDisk at_once_ = [](const std::function<void()>& job) { job(); };
};

TEST_F(OurLog, LineHasTimeLevelVmPidAndMessage) {
  auto log = make_file_log("web1", path(), at_once_);
  log->warning("open log /x: Permission denied");
  std::regex expected(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z warning web1\[)" + std::to_string(::getpid()) +
                      R"(\]: open log /x: Permission denied\n)");
  EXPECT_TRUE(std::regex_match(content(path()), expected)) << content(path());
}

TEST_F(OurLog, MessageCannotForgeALineNorReachATerminal) {
  auto log = make_file_log("web1", path(), at_once_);
  log->info("a\nb\x1b[31m");
  std::string text = content(path());
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST_F(OurLog, GrowsNoFurtherThanTwiceItsLimit) {
  auto log = make_file_log("web1", path(), at_once_);
  std::string message(limits::our_log_message + 100, 'x');
  for (std::size_t written = 0; written < 3 * limits::our_log; written += limits::our_log_message) log->info(message);
  EXPECT_LE(std::filesystem::file_size(path()), limits::our_log);
  EXPECT_LE(std::filesystem::file_size(path() + ".1"), limits::our_log);
  EXPECT_GT(std::filesystem::file_size(path() + ".1"), limits::our_log / 2);
}

TEST_F(OurLog, HangingDiskCostsMessagesNotMemoryAndIsTold) {
  std::deque<std::function<void()>> jobs;
  std::size_t sent = 0;
  auto log = make_file_log("web1", path(), [&](std::function<void()> job) { jobs.push_back(std::move(job)); });
  for (; sent < 10'000; ++sent) log->info("again");
  EXPECT_LT(jobs.size() * 5, limits::our_log_waiting);
  std::size_t queued = jobs.size();
  for (; !jobs.empty(); jobs.pop_front()) jobs.front()();
  log->info("back");
  jobs.front()();
  std::string text = content(path());
  EXPECT_NE(text.find(": " + std::to_string(sent - queued) + " messages were left out here"), std::string::npos);
  EXPECT_TRUE(text.ends_with(": back\n"));
}

TEST_F(OurLog, JobsOutliveTheLog) {
  std::function<void()> job;
  make_file_log("web1", path(), [&](std::function<void()> given) { job = std::move(given); })->error("late");
  job();
  EXPECT_TRUE(content(path()).ends_with(": late\n"));
}

TEST_F(OurLog, JournaldIsSentFieldsAndFoundAgainAfterItsRestart) {
  std::string socket = folder_ + "/journal";
  auto listen = [&] {
    UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket.copy(address.sun_path, sizeof address.sun_path - 1);
    ::unlink(socket.c_str());
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  };
  auto receive = [](const UniqueFd& fd) {
    char buffer[8192];
    ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, 0);
    return n < 0 ? std::string() : std::string(buffer, static_cast<std::size_t>(n));
  };
  EXPECT_FALSE(make_journald_log("web1", socket));  // nobody listens
  UniqueFd first = listen();
  auto log = make_journald_log("web1", socket);
  ASSERT_TRUE(log) << log.error().sentence();
  (*log)->error("it broke\nand how");
  EXPECT_EQ(receive(first), "MESSAGE=it broke and how\nPRIORITY=3\nSYSLOG_IDENTIFIER=vmline\nVMLINE_VM=web1\n");
  first.reset();
  (*log)->info("nobody hears this");
  UniqueFd second = listen();
  (*log)->info("hello");
  EXPECT_EQ(receive(second).substr(0, 33), "MESSAGE=1 messages were left out ");
  EXPECT_EQ(receive(second).substr(0, 14), "MESSAGE=hello\n");
}

}  // namespace
}  // namespace vmline::keeper
