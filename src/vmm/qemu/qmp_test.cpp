// SPDX-License-Identifier: Apache-2.0
// Claims about QMP: the stream in any pieces, answers found by id, hostile lines skipped.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio.hpp>
#include <boost/json.hpp>
#include <cstdlib>

#include "base/limits.hpp"
#include "base/unique_fd.hpp"
#include "vmm/qemu/qemu.hpp"
#include "vmm/qemu/qmp_message.hpp"
#include "vmm/qemu/qmp_reader.hpp"

namespace vmline::vmm::qemu {
namespace {

constexpr std::string_view session =
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}}, \"capabilities\": [\"oob\"]}}\r\n"
    "{\"return\": {}, \"id\": \"k-1\"}\r\n"
    "{\"timestamp\": {\"seconds\": 1767225600, \"microseconds\": 5}, \"event\": \"RESET\", \"data\": {\"guest\": true, \"reason\": "
    "\"guest-reset\"}}\r\n"
    "{\"id\": \"k-2\", \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no}\\n\"}}\r\n";

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::vector<std::string> read(QmpReader& reader, std::string_view text) {
  std::vector<std::string> out;
  reader.feed(bytes(text), [&](const boost::json::object& message) { out.push_back(boost::json::serialize(message)); });
  return out;
}

TEST(QmpReader, ReadsMessagesCutAtEveryByte) {
  QmpReader whole;
  auto expected = read(whole, session);
  ASSERT_EQ(expected.size(), 4u);
  for (std::size_t cut = 0; cut <= session.size(); ++cut) {
    QmpReader reader;
    auto messages = read(reader, session.substr(0, cut));
    auto more = read(reader, session.substr(cut));
    messages.insert(messages.end(), more.begin(), more.end());
    ASSERT_EQ(messages, expected) << "cut at " << cut;
  }
}

TEST(QmpReader, SkipsWhatIsNoMessage) {
  QmpReader reader;
  EXPECT_TRUE(read(reader, "garbage\n[1]\nnull\n\n\xff\xfe\n{\"a\":}\n").empty());
  std::string huge(limits::monitor_answer + 10, 'x');
  EXPECT_TRUE(read(reader, huge).empty());
  EXPECT_TRUE(read(reader, huge + "{\"a\":1}\n").empty());
  EXPECT_EQ(read(reader, "{\"a\":1}\n").size(), 1u);
  EXPECT_TRUE(read(reader, std::string(10000, '[') + "\n").empty());
}

TEST(QmpMessage, EventsAreRead) {
  auto event = [](std::string_view text) { return event_in(boost::json::parse({text.data(), text.size()}).as_object()); };
  auto reset =
      event(R"({"timestamp":{"seconds":1767225600,"microseconds":5},"event":"RESET","data":{"guest":true,"reason":"guest-reset"}})");
  ASSERT_TRUE(reset);
  EXPECT_EQ(reset->kind, MonitorEvent::Kind::reset);
  EXPECT_TRUE(reset->ends_boot);
  EXPECT_TRUE(reset->begins_boot);
  EXPECT_EQ(reset->text, "RESET guest-reset");
  EXPECT_EQ(reset->at, Time(std::chrono::microseconds(1767225600000005)));
  EXPECT_EQ(event(R"({"event":"RESUME"})")->kind, MonitorEvent::Kind::resumed);
  EXPECT_EQ(event(R"({"event":"NEW_ONE","data":3})")->kind, MonitorEvent::Kind::other);
  EXPECT_FALSE(event(R"({"event":"STOP","timestamp":{"seconds":-1,"microseconds":-1}})")->at);
  EXPECT_FALSE(event(R"({"event":"STOP","timestamp":{"seconds":9223372036854775807,"microseconds":1}})")->at);
  EXPECT_FALSE(event(R"({"return":{}})"));
  EXPECT_FALSE(event(R"({"event":7})"));
}

TEST(QmpMessage, StatesAreRead) {
  auto state = [](std::string_view text) { return state_in(boost::json::parse({text.data(), text.size()})); };
  EXPECT_EQ(state(R"({"status":"prelaunch"})").value(), GuestState::created);
  EXPECT_EQ(state(R"({"status":"running"})").value(), GuestState::running);
  EXPECT_EQ(state(R"({"status":"guest-panicked"})").value(), GuestState::paused);
  EXPECT_EQ(state(R"({"status":"shutdown"})").value(), GuestState::stopped);
  EXPECT_FALSE(state("{}"));
  EXPECT_FALSE(state("3"));
}

/// A monitor whose QEMU is this test.
class QmpCalls : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    read_end_.reset(ends[0]);
    write_end_.reset(ends[1]);
    monitor_ = make_monitor({.executor = loop_.get_executor(),
                             .spec = nullptr,
                             .endpoints = {},
                             .control_in = write_end_.get(),
                             .id_prefix = "k",
                             .started = {}});
  }
  template <class T>
  std::shared_ptr<std::optional<T>> call(asio::awaitable<T> operation) {
    auto result = std::make_shared<std::optional<T>>();
    asio::co_spawn(loop_, std::move(operation), [result](std::exception_ptr error, T value) {
      EXPECT_FALSE(error);
      *result = std::move(value);
    });
    turn();
    return result;
  }
  void turn() {
    loop_.restart();
    loop_.poll();
  }
  std::vector<MonitorEvent> feed(std::string_view text) {
    auto events = monitor_->feed(bytes(text));
    turn();
    return events;
  }
  std::string asked() {
    char buffer[4096];
    ssize_t n = ::read(read_end_.get(), buffer, sizeof buffer);
    return {buffer, n > 0 ? static_cast<std::size_t>(n) : 0};
  }

  asio::io_context loop_;
  UniqueFd read_end_, write_end_;
  std::unique_ptr<Monitor> monitor_;
};

TEST_F(QmpCalls, AnswersAreFoundByIdAmongEventsAndStrangersAnswers) {
  auto result = call(monitor_->reset());
  EXPECT_EQ(asked(), "{\"execute\":\"system_reset\",\"id\":\"k-1\"}\n");
  EXPECT_TRUE(feed("{\"return\":{},\"id\":\"older-keeper-1\"}\n{\"return\":{}}\n{\"return\":{},\"id\":7}\n").empty());
  EXPECT_FALSE(*result);
  EXPECT_EQ(feed("{\"event\":\"RESET\"}\n{\"return\":{},\"id\":\"k-1\"}\n").size(), 1u);
  ASSERT_TRUE(*result);
  EXPECT_TRUE(**result);
}

TEST_F(QmpCalls, ARefusalIsASentence) {
  auto result = call(monitor_->power_button());
  feed("{\"error\":{\"class\":\"GenericError\",\"desc\":\"no such thing\"},\"id\":\"k-1\"}\n");
  ASSERT_TRUE(*result);
  EXPECT_EQ((*result)->error().sentence(), "QEMU system_powerdown: no such thing");
}

TEST_F(QmpCalls, PausesResumesInterruptsAndBreaks) {
  using Call = asio::awaitable<Result<>>;
  auto asks = [&](Call operation, const std::string& id, const std::string& expected) {
    auto result = call(std::move(operation));
    EXPECT_EQ(asked(), "{\"execute\":" + expected + "}\n");
    feed("{\"return\":{},\"id\":\"" + id + "\"}\n");
    EXPECT_TRUE(*result && **result);
  };
  asks(monitor_->pause(), "k-1", R"("stop","id":"k-1")");
  asks(monitor_->resume(), "k-2", R"("cont","id":"k-2")");
  asks(monitor_->nmi(), "k-3", R"("inject-nmi","id":"k-3")");
  asks(monitor_->send_break("serial0"), "k-4", R"("chardev-send-break","id":"k-4","arguments":{"id":"line-serial0"})");
}

TEST_F(QmpCalls, AVersionThatIsTooOldIsRefusedBeforeTheGuestRuns) {
  if (std::getenv("VMLINE_ANY_VERSION")) GTEST_SKIP() << "VMLINE_ANY_VERSION is set";
  auto old = call(monitor_->create());
  feed(
      "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":0,\"minor\":2,\"major\":5},\"package\":\"\"},\"capabilities\":[]}}\n{\"return\":{},"
      "\"id\":\"k-1\"}\n");
  ASSERT_TRUE(*old);
  ASSERT_FALSE(**old);
  EXPECT_TRUE((*old)->error().sentence().starts_with("QEMU 5.2.0 is older than 6.0")) << (*old)->error().sentence();
  auto taken = call(monitor_->create());
  feed(std::string(session.substr(0, session.find('\n') + 1)) + "{\"return\":{},\"id\":\"k-2\"}\n");
  ASSERT_TRUE(*taken);
  EXPECT_TRUE(**taken);
}

TEST_F(QmpCalls, CapabilitiesThatWereNegotiatedAlreadyAreFine) {
  auto result = call(monitor_->create());
  feed(
      "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"Capabilities negotiation is already complete, command "
      "ignored\"},\"id\":\"k-1\"}\n");
  ASSERT_TRUE(*result);
  EXPECT_TRUE(**result);
}

TEST_F(QmpCalls, NegotiatesFirstWhereNobodyDid) {
  auto result = call(monitor_->state());
  asked();
  feed(
      "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"Expecting capabilities negotiation with "
      "'qmp_capabilities'\"},\"id\":\"k-1\"}\n");
  EXPECT_EQ(asked(), "{\"execute\":\"qmp_capabilities\",\"id\":\"k-2\"}\n");
  feed("{\"return\":{},\"id\":\"k-2\"}\n");
  EXPECT_EQ(asked(), "{\"execute\":\"query-status\",\"id\":\"k-3\"}\n");
  feed("{\"return\":{\"status\":\"running\"},\"id\":\"k-3\"}\n");
  ASSERT_TRUE(*result);
  EXPECT_EQ((*result)->value(), GuestState::running);
}

TEST_F(QmpCalls, SeveralQuestionsAtOnceGetTheirOwnAnswers) {
  auto reset = call(monitor_->reset());
  auto state = call(monitor_->state());
  feed("{\"return\":{\"status\":\"paused\"},\"id\":\"k-2\"}\n");
  EXPECT_FALSE(*reset);
  EXPECT_EQ((*state)->value(), GuestState::paused);
  feed("{\"error\":{\"desc\":\"x\"},\"id\":\"k-1\"}\n");
  EXPECT_EQ((*reset)->error().sentence(), "QEMU system_reset: x");
}

TEST_F(QmpCalls, AMonitorThatReadsNoMoreIsToldAsTimedOut) {
  std::string junk(1 << 20, 'x');
  while (::write(write_end_.get(), junk.data(), junk.size()) > 0) continue;
  while (::write(write_end_.get(), "x", 1) > 0) continue;
  auto result = call(monitor_->quit());
  ASSERT_TRUE(*result);
  EXPECT_EQ((*result)->error().sentence(), "QEMU quit: it does not read its QMP any more");
  EXPECT_EQ((*result)->error().kind(), ErrorKind::timed_out);
}

TEST_F(QmpCalls, ACancelledQuestionLeavesNothingBehind) {
  asio::cancellation_signal cancel;
  bool ended = false;
  asio::co_spawn(loop_, monitor_->reset(),
                 asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr, Result<>) { ended = true; }));
  turn();
  cancel.emit(asio::cancellation_type::terminal);
  turn();
  EXPECT_TRUE(ended);
  EXPECT_TRUE(feed("{\"return\":{},\"id\":\"k-1\"}\n").empty());
}

}  // namespace
}  // namespace vmline::vmm::qemu
