// SPDX-License-Identifier: Apache-2.0
// How streams over WebSocket end, and what they cost before: clients that read slowly, vanish or misbehave, and a server that closes.
#include <sys/socket.h>

#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "keeper/control_test_websocket.hpp"

namespace vmline::keeper {
namespace {

using namespace std::chrono_literals;

TEST(ControlLeaving, SlowReaderIsWaitedForAndOnlyAskedMoreWhenItReads) {
  FakeServer server;
  server.on_loop([&] { server.line().endless = true; });
  TestWebSocket slow(server, line_stream);
  std::size_t before = 0;
  ASSERT_TRUE(server.becomes([&] {
    std::size_t now = server.line().endless_items;
    bool stands = now > 0 && now == before;  // the kernel's buffers are full
    before = now;
    return stands;
  }));
  EXPECT_LE(before, 8u);
  // Nobody else waits for it.
  TestWebSocket quick(server, line_stream);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(quick.next().size(), 65538u);
  EXPECT_EQ(ask(server.connect(), "GET /v1/vm").status, 200);
  quick.vanish();
  for (int i = 0; i < 50; ++i) ASSERT_EQ(slow.next().size(), 65538u);
  // It types while it does not read, and is heard.
  slow.type("x");
  EXPECT_TRUE(server.becomes([&] { return server.line().typed == "x"; }));
}

TEST(ControlLeaving, ClientThatGoesWhileTheGuestDoesNotReadLetsTheLeaseGo) {
  FakeServer server({.leave = 50ms});
  server.on_loop([&] { server.line().guest_reads = false; });
  TestWebSocket client(server, line_stream);
  client.type("waits");
  client.vanish();
  EXPECT_TRUE(server.becomes([&] { return server.line().open_streams == 0 && server.control->connections() == 0; }));
}

TEST(ControlLeaving, WhatWasTypedRightBeforeGoingIsTyped) {
  FakeServer server;
  for (int i = 0; i < 50; ++i) {
    TestWebSocket client(server, line_stream);
    client.type("1");
    client.type("2");
    client.vanish();
  }
  EXPECT_TRUE(server.becomes([&] { return server.line().typed.size() == 100; }));
}

TEST(ControlLeaving, PingsKeepASilentStreamAliveAndAreAnswered) {
  FakeServer server({.ping = 20ms});
  TestWebSocket client(server, line_stream);
  std::thread later([&] {
    std::this_thread::sleep_for(100ms);
    server.on_loop([&] { server.line().say("x"); });
  });
  client.ping();
  EXPECT_EQ(client.next(), "<x>");
  EXPECT_GE(client.pings(), 2);
  later.join();
}

TEST(ControlLeaving, ClientClosesWithAHandshake) {
  FakeServer server;
  TestWebSocket client(server, line_stream);
  client.close();
  EXPECT_TRUE(client.is_open());  // no error: the server has closed properly
  EXPECT_TRUE(server.becomes([&] { return server.control->connections() == 0 && server.line().open_streams == 0; }));
}

TEST(ControlLeaving, HalfAClosingHandshakeHoldsNothingForLong) {
  FakeServer server({.leave = 50ms});
  TestWebSocket client(server, line_stream);
  // A close frame of the client's, which then neither closes nor reads.
  std::string frame("\x88\x80\0\0\0\0", 6);
  ASSERT_EQ(::send(client.fd(), frame.data(), frame.size(), MSG_NOSIGNAL), 6);
  EXPECT_TRUE(server.becomes([&] { return server.control->connections() == 0 && server.line().open_streams == 0; }));
}

TEST(ControlLeaving, ProtocolErrorHoldsNothingForLong) {
  FakeServer server({.ping = 20ms, .leave = 50ms});
  TestWebSocket client(server, line_stream);
  std::string frame(
      "\x82\x01"
      "x",
      3);  // not masked; and then it neither closes nor reads
  ASSERT_EQ(::send(client.fd(), frame.data(), frame.size(), MSG_NOSIGNAL), 3);
  EXPECT_TRUE(server.becomes([&] { return server.control->connections() == 0 && server.line().open_streams == 0; }));
}

TEST(ControlLeaving, CloseTellsEveryStreamAndEndsInItsTime) {
  FakeServer server({.leave = 200ms});
  TestWebSocket line(server, line_stream), bytes(server, line_stream, "binary"), events(server, "/v1/events/stream"),
      stalled(server, line_stream), typing(server, line_stream);
  server.on_loop([&] { server.line().guest_reads = false; });
  typing.type("x");
  TestWebSocket never_reads(server, line_stream);
  server.on_loop([&] { server.line().say(std::string(1u << 20, 'x')); });
  EXPECT_EQ(line.next().size(), (1u << 20) + 2);
  EXPECT_EQ(bytes.next().size(), (1u << 20) + 2);
  EXPECT_EQ(typing.next().size(), (1u << 20) + 2);
  server.on_loop([&] { server.control->close("web1 has \xff stopped"); });
  for (TestWebSocket* client : {&line, &typing}) {
    EXPECT_EQ(client->next(), "{\"event\":\"closing\",\"reason\":\"web1 has \xef\xbf\xbd stopped\"}");
    EXPECT_EQ(client->next(), "closed 1001 web1 has \xef\xbf\xbd stopped");
  }
  EXPECT_EQ(bytes.next(), "closed 1001 web1 has \xef\xbf\xbd stopped");
  EXPECT_EQ(events.next(), "closed 1001 web1 has \xef\xbf\xbd stopped");
  // One that reads again in time gets its message whole and is told.
  EXPECT_EQ(stalled.next().size(), (1u << 20) + 2);
  EXPECT_EQ(stalled.next(), "{\"event\":\"closing\",\"reason\":\"web1 has \xef\xbf\xbd stopped\"}");
  server.wait_closed();
  EXPECT_EQ(never_reads.next(), "lost");
}

TEST(ControlLeaving, ClientsThatVanishAtAnyMomentLeaveNothingBehind) {
  FakeServer server({.leave = 100ms});
  server.on_loop([&] { server.line().endless = true; });
  std::mt19937 random(7);
  std::vector<std::unique_ptr<TestWebSocket>> clients;
  for (int i = 0; i < 300; ++i) {
    if (random() % 4 == 0) TestWebSocket(server, "/v1/events/stream").vanish();
    clients.push_back(std::make_unique<TestWebSocket>(server, line_stream));
    std::size_t who = random() % clients.size();
    switch (random() % 5) {
      case 0: clients[who]->next(); break;
      case 1: clients[who]->type("x"); break;
      case 2:
        ::shutdown(clients[who]->fd(), SHUT_WR);
        clients.erase(clients.begin() + static_cast<std::ptrdiff_t>(who));
        break;
      case 3: server.on_loop([&] { server.vm->events().add("x", {}); }); break;
      default: clients[who]->vanish(); clients.erase(clients.begin() + static_cast<std::ptrdiff_t>(who));
    }
    std::erase_if(clients, [](const auto& client) { return !client->is_open(); });
  }
  clients.clear();
  EXPECT_TRUE(server.becomes([&] { return server.control->connections() == 0 && server.line().open_streams == 0; }));
}

TEST(ControlLeaving, FallingOverInTheMiddleOfEverythingHarmsNothing) {
  FakeServer server;
  TestWebSocket idle(server, line_stream), typing(server, line_stream), events(server, "/v1/events/stream");
  server.on_loop([&] { server.line().guest_reads = false; });
  typing.type("x");
  server.on_loop([&] { server.line().endless = true; });
  TestWebSocket flooded(server, line_stream);
  server.fall_over();
}

}  // namespace
}  // namespace vmline::keeper
