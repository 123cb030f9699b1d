// SPDX-License-Identifier: Apache-2.0
// The event log: numbers without holes over keepers' deaths, limits, and waiting without polling.
#include "keeper/event_log.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/limits.hpp"

namespace vmline::keeper {
namespace {

using namespace std::chrono_literals;

class EventLogTest : public testing::Test {
 protected:
  EventLogTest() {
    char name[] = "/tmp/vmline-event-log-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~EventLogTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path() const { return folder_ + "/events"; }
  std::unique_ptr<EventLog> open() {
    auto log = EventLog::open(loop_, path());
    EXPECT_TRUE(log) << log.error().sentence();
    return std::move(log).value();
  }
  [[nodiscard]] std::string content() const {
    std::stringstream text;
    text << std::ifstream(path()).rdbuf();
    return text.str();
  }
  void append(std::string_view text) const { std::ofstream(path(), std::ios::app) << text; }

  std::string folder_;
  asio::io_context loop_;
};

constexpr Time new_year = Time(std::chrono::sys_days(std::chrono::year(2026) / 1 / 1));

TEST_F(EventLogTest, WritesEachEventAsTheApiTellsIt) {
  auto log = open();
  log->add("state", {{"state", "running"}, {"reason", ""}}, new_year);
  EXPECT_EQ(content(), R"({"sequence":1,"time":"2026-01-01T00:00:00.000000Z","type":"state","state":"running","reason":""})"
                       "\n");
}

TEST_F(EventLogTest, NextKeeperGoesOnNumberingAndStillKnows) {
  {
    auto log = open();
    for (int i = 1; i <= 3; ++i) log->add("boot", {{"boot", i}}, new_year + i * 1us);
  }
  auto log = open();
  EXPECT_EQ(log->next_sequence(), 4u);
  log->add("keeper-started", {});
  auto events = log->since(2, 100);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].sequence, 2u);
  EXPECT_EQ(events[0].time, new_year + 2us);
  EXPECT_EQ(events[0].type, "boot");
  EXPECT_EQ(json::serialize(events[0].details), R"({"boot":2})");
  EXPECT_EQ(events[2].type, "keeper-started");
  EXPECT_EQ(log->since(0, 2).size(), 2u);
  EXPECT_TRUE(log->since(5, 2).empty());
}

TEST_F(EventLogTest, LineTornAtAnyByteIsCutOff) {
  {
    auto log = open();
    log->add("a", {});
    log->add("b", {{"text", "x"}});
  }
  std::string whole = content();
  std::size_t first = whole.find('\n') + 1;
  for (std::size_t cut = first; cut < whole.size(); ++cut) {
    std::ofstream(path()) << whole.substr(0, cut);
    auto log = open();
    // All but the line's end is there: the event counts.
    std::uint64_t next = cut == whole.size() - 1 ? 3 : 2;
    ASSERT_EQ(log->next_sequence(), next) << "cut at " << cut;
    log->add("c", {});
    log.reset();
    ASSERT_EQ(open()->since(next, 9).at(0).type, "c");
  }
}

TEST_F(EventLogTest, GarbageInTheFileIsLeftOutAndNoNumberGivenTwice) {
  open()->add("a", {});
  append("\n{}\n[1]\n{\"sequence\":-5}\n{\"sequence\":1,\"time\":\"2026-01-01T00:00:00Z\",\"type\":\"again\"}\n\xff\xfe\n");
  append("{\"sequence\":7,\"time\":\"2026-01-01T00:00:00Z\",\"type\":\"later\"}\n");
  auto log = open();
  EXPECT_EQ(log->next_sequence(), 8u);
  EXPECT_EQ(log->since(1, 9).size(), 1u);
  EXPECT_EQ(content(), "{\"sequence\":7,\"time\":\"2026-01-01T00:00:00Z\",\"type\":\"later\"}\n");
}

TEST_F(EventLogTest, KeepsNoMoreThanItsLimitsInMemoryAndInTheFile) {
  auto log = open();
  for (std::size_t i = 0; i < limits::events_kept + 100; ++i) log->add("n", {});
  EXPECT_EQ(log->since(0, SIZE_MAX).size(), limits::events_kept);
  EXPECT_EQ(log->since(0, 1).at(0).sequence, 101u);
  std::string text(4000, 'x');
  for (int i = 0; i < 1000; ++i) log->add("long", {{"text", text}});
  EXPECT_LE(std::filesystem::file_size(path()), 2 * limits::events_bytes);
  EXPECT_GE(log->since(0, SIZE_MAX).size(), limits::events_bytes / 4200);
  std::uint64_t next = log->next_sequence();
  log.reset();
  EXPECT_EQ(open()->next_sequence(), next);
}

TEST_F(EventLogTest, HugeEventGoesWithoutItsDetails) {
  auto log = open();
  log->add("huge", {{"text", std::string(limits::event_bytes, 'x')}});
  auto events = log->since(1, 1);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_TRUE(events[0].details.contains("left_out_bytes"));
}

TEST_F(EventLogTest, BytesThatAreNoTextDoNotSpoilTheFile) {
  open()->add("gap", {{"cause", "\xff\xfe"}});
  EXPECT_EQ(open()->since(1, 1).at(0).details.at("cause").as_string(), "\xef\xbf\xbd\xef\xbf\xbd");
}

TEST_F(EventLogTest, FileThatCannotBeWrittenIsBroughtUpToDateLater) {
  auto log = open();
  log->add("a", {});
  // A file that may not grow stands for a full tmpfs. SIGXFSZ would end us.
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit small{std::filesystem::file_size(path()) + 10, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  log->add("b", {});
  bool told = log->trouble().has_value();
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_TRUE(told);
  EXPECT_EQ(log->since(2, 1).at(0).type, "b");
  log->add("c", {});
  EXPECT_FALSE(log->trouble());
  EXPECT_EQ(open()->since(1, 9).size(), 3u);
}

TEST_F(EventLogTest, WaitEndsWithTheEventThatIsWaitedForAndNotBefore) {
  auto log = open();
  std::optional<bool> result;
  asio::co_spawn(loop_, log->wait(2), [&](std::exception_ptr, bool there) { result = there; });
  loop_.poll();
  log->add("a", {});
  loop_.restart();
  loop_.poll();
  EXPECT_FALSE(result);
  log->add("b", {});
  loop_.restart();
  loop_.poll();
  EXPECT_EQ(result, true);
}

TEST_F(EventLogTest, CloseEndsEveryWaitWithFalse) {
  auto log = open();
  std::optional<bool> waiting, later;
  asio::co_spawn(loop_, log->wait(1), [&](std::exception_ptr, bool there) { waiting = there; });
  loop_.poll();
  log->close();
  asio::co_spawn(loop_, log->wait(1), [&](std::exception_ptr, bool there) { later = there; });
  loop_.restart();
  loop_.run();
  EXPECT_EQ(waiting, false);
  EXPECT_EQ(later, false);
}

TEST_F(EventLogTest, WaitIsCancelledByItsCallerAlone) {
  auto log = open();
  asio::cancellation_signal cancel;
  bool threw = false;
  std::optional<bool> other;
  asio::co_spawn(loop_, log->wait(1),
                 asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr error, bool) { threw = error != nullptr; }));
  asio::co_spawn(loop_, log->wait(1), [&](std::exception_ptr, bool there) { other = there; });
  loop_.poll();
  cancel.emit(asio::cancellation_type::terminal);
  loop_.restart();
  loop_.poll();
  EXPECT_TRUE(threw);
  EXPECT_FALSE(other);
  log->add("a", {});
  loop_.restart();
  loop_.poll();
  EXPECT_EQ(other, true);
}

}  // namespace
}  // namespace vmline::keeper
