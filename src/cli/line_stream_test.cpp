// SPDX-License-Identifier: Apache-2.0
// A line over connections that end without a word, told by a scripted keeper.
#include "cli/line_stream.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <future>

#include "cli/fake_keeper.hpp"

namespace vmline::cli {
namespace {

using Connection = FakeKeeper::Connection;

std::string opened(Offset offset) { return R"({"event":"opened","offset":)" + std::to_string(offset) + R"(,"head":100,"boot":1})"; }

struct LineStreamTest : testing::Test {
  LineStreamTest() {
    std::filesystem::create_directories(places.vm_dir("web1"));
    std::filesystem::create_directories(places.run_dir("web1"));
  }

  /// Everything that comes, in words, until the end.
  std::string read_all(LineStream& stream) {
    std::string all;
    asio::co_spawn(loop, collect(stream, all), [](std::exception_ptr thrown) { EXPECT_FALSE(thrown); });
    loop.run();
    return all;
  }
  static asio::awaitable<void> collect(LineStream& stream, std::string& all) {
    while (true) {
      auto message = co_await stream.next();
      if (!message) {
        all += "[error: " + message.error().sentence() + "]";
        co_return;
      }
      if (std::holds_alternative<LineOpened>(*message)) all += "[opened]";
      if (std::holds_alternative<LineReplayEnded>(*message)) all += "[live]";
      if (const auto* bytes = std::get_if<LineBytes>(&*message)) all += bytes->data;
      if (const auto* boot = std::get_if<LineBoot>(&*message)) all += "[boot " + std::to_string(boot->number) + "]";
      if (const auto* gap = std::get_if<LineGap>(&*message))
        all += "[gap " + std::to_string(gap->range.begin) + "-" + std::to_string(gap->range.end) + "]";
      if (const auto* closing = std::get_if<LineClosing>(&*message)) {
        all += "[closing: " + closing->reason + "]";
        co_return;
      }
    }
  }

  static asio::awaitable<void> type(asio::io_context& loop, LineStream& stream, bool& taken) {
    std::string command = "uname\r";
    co_await stream.type(command);
    asio::co_spawn(loop, flush(stream, taken), asio::detached);
    std::string end = "end";
    co_await stream.type(end);
  }
  static asio::awaitable<void> flush(LineStream& stream, bool& taken) {
    co_await stream.flush();
    taken = true;
  }

  TemporaryFolder folder;
  os::Places places = os::Places::given(folder.path(), folder.path() + "/run");
  Finder finder{places, [](std::string_view) {}};
  asio::io_context loop;
};

TEST_F(LineStreamTest, GoesOnAtItsOffsetUnseenWhenAConnectionEndsWithoutAWord) {
  FakeKeeper keeper(places.control_socket("web1"),
                    {
                        [](Connection& connection) {
                          EXPECT_EQ(connection.target(), "/v1/lines/serial0/stream?from=-1000&read_only=1");
                          connection.upgrade([](auto& stream) {
                            Connection::text(stream, opened(10));
                            Connection::text(stream, R"({"event":"replay-ended","offset":10})");
                            Connection::text(stream, R"({"event":"boot","boot":2,"offset":10,"cause":"guest reboot"})");
                            Connection::bytes(stream, "one ");
                          });
                        },
                        [](Connection& connection) {
                          EXPECT_EQ(connection.target(), "/v1/lines/serial0/stream?from=14&read_only=1");
                          connection.upgrade([](auto& stream) {
                            Connection::text(stream, opened(14));
                            Connection::text(stream, R"({"event":"boot","boot":2,"offset":10,"cause":"guest reboot"})");
                            Connection::bytes(stream, "two");
                            Connection::text(stream, R"({"event":"replay-ended","offset":17})");
                            Connection::text(stream, R"({"event":"what-comes-later"})");
                            Connection::text(stream, R"({"event":"closing","reason":"stopped"})");
                          });
                        },
                    });
  LineStream stream(loop, finder, {"web1", "serial0", "-1000"});
  EXPECT_EQ(read_all(stream), "[opened][live][boot 2]one two[closing: stopped]");
  EXPECT_EQ(stream.offset(), 17u);
}

TEST_F(LineStreamTest, WhatIsNoLongerKeptIsAGapAndWhatComesTwiceIsLeftOut) {
  FakeKeeper keeper(places.control_socket("web1"), {
                                                       [](Connection& connection) {
                                                         connection.upgrade([](auto& stream) {
                                                           Connection::text(stream, opened(0));
                                                           Connection::bytes(stream, "abc");
                                                         });
                                                       },
                                                       [](Connection& connection) {
                                                         connection.upgrade([](auto& stream) {
                                                           Connection::text(stream, opened(1));
                                                           Connection::bytes(stream, "bcdef");
                                                         });
                                                       },
                                                       [](Connection& connection) {
                                                         connection.upgrade([](auto& stream) {
                                                           Connection::text(stream, opened(20));
                                                           Connection::text(stream, R"({"event":"gap","begin":20,"end":25,"cause":"x"})");
                                                           Connection::bytes(stream, "xyz");
                                                           Connection::text(stream, R"({"event":"closing","reason":"stopped"})");
                                                         });
                                                       },
                                                   });
  LineStream stream(loop, finder, {"web1", "serial0", "0"});
  EXPECT_EQ(read_all(stream), "[opened]abcdef[gap 6-20][gap 20-25]xyz[closing: stopped]");
}

TEST_F(LineStreamTest, AVmThatIsGoneEndsIt) {
  FakeKeeper keeper(places.control_socket("web1"), {[](Connection& connection) {
                      connection.upgrade([](auto& stream) {
                        Connection::text(stream, opened(0));
                        Connection::bytes(stream, "last words");
                      });
                    }});
  LineStream stream(loop, finder, {"web1", "serial0", "0"});
  EXPECT_EQ(read_all(stream), "[opened]last words[closing: it has stopped]");
}

TEST_F(LineStreamTest, ALineThatIsNotThereIsSaidSo) {
  FakeKeeper keeper(places.control_socket("web1"),
                    {[](Connection& connection) { connection.answer(404, R"({"detail":"there is no line x"})"); }});
  LineStream stream(loop, finder, {"web1", "x", "tail"});
  EXPECT_EQ(read_all(stream), "[error: web1: there is no line x]");
}

TEST_F(LineStreamTest, TypesAndKnowsWhenItWasTaken) {
  FakeKeeper keeper(places.control_socket("web1"), {[](Connection& connection) {
                      EXPECT_EQ(connection.target(), "/v1/lines/serial0/stream?from=tail&take=1");
                      connection.upgrade([](auto& stream) {
                        EXPECT_EQ(Connection::receive(stream), "uname\r");
                        EXPECT_EQ(Connection::receive(stream), "end");  // answers the ping on its way
                        Connection::text(stream, R"({"event":"closing","reason":"stopped"})");
                      });
                    }});
  LineStream stream(loop, finder, {"web1", "serial0", "tail", false, true});
  bool taken = false;
  asio::co_spawn(loop, type(loop, stream, taken), asio::detached);
  EXPECT_EQ(read_all(stream), "[closing: stopped]");
  EXPECT_TRUE(taken);
}

}  // namespace
}  // namespace vmline::cli
