// SPDX-License-Identifier: Apache-2.0
// The control API over WebSocket: lines and events as streams, typing and leases.
#include <boost/asio/write.hpp>

#include "keeper/control_test_websocket.hpp"

namespace vmline::keeper {

namespace websocket = boost::beast::websocket;

TestWebSocket::TestWebSocket(const FakeServer& server, const std::string& target, const std::string& subprotocol) : stream_(loop_) {
  stream_.next_layer().assign(boost::asio::local::stream_protocol(), server.connect().release());
  stream_.set_option(websocket::stream_base::decorator([&](websocket::request_type& request) {
    if (!subprotocol.empty()) request.set(boost::beast::http::field::sec_websocket_protocol, subprotocol);
  }));
  stream_.control_callback(
      [this](websocket::frame_type kind, boost::beast::string_view) { pings_ += kind == websocket::frame_type::ping; });
  websocket::response_type response;
  stream_.handshake(response, "vm", target, error_);
  chosen_ = std::string(response[boost::beast::http::field::sec_websocket_protocol]);
  status_ = static_cast<int>(response.result_int());
}

std::string TestWebSocket::next() {
  boost::beast::flat_buffer buffer;
  stream_.read(buffer, error_);
  if (error_ == websocket::error::closed) {
    return "closed " + std::to_string(stream_.reason().code) + " " + std::string(stream_.reason().reason.c_str());
  }
  if (error_) return "lost";
  std::string message(static_cast<const char*>(buffer.cdata().data()), buffer.size());
  return stream_.got_text() ? message : "<" + message + ">";
}

void TestWebSocket::type(std::string_view bytes) {
  stream_.binary(true);
  stream_.write(boost::asio::buffer(bytes), error_);
}
void TestWebSocket::say(std::string_view text) {
  stream_.text(true);
  stream_.write(boost::asio::buffer(text), error_);
}
void TestWebSocket::ping() { stream_.ping({}, error_); }
void TestWebSocket::close() { stream_.close(websocket::close_code::normal, error_); }
void TestWebSocket::vanish() { stream_.next_layer().close(error_); }

namespace {

TEST(ControlStream, HandsOutItemsInOrder) {
  FakeServer server;
  server.on_loop([&] {
    FakeLineState& line = server.line();
    line.say(StreamItem(Opened{10, 20, 1}));
    line.say("0123");
    line.say(StreamItem(Gap{{14, 16}, "disk full"}));
    line.say("67");
    line.say(StreamItem(BootBegan{2, 18, Time(), "guest reboot"}));
    line.say("89");
    line.say(StreamItem(ReplayEnded{20}));
    line.say(StreamItem(WriterChanged{"raw:pid=1", false}));
    line.say(StreamItem(Closing{"web1 has stopped"}));
  });
  TestWebSocket client(server, line_stream + "?from=10");
  EXPECT_EQ(client.chosen(), "vmline.v1");
  EXPECT_EQ(client.next(), R"({"event":"opened","offset":10,"head":20,"boot":1})");
  EXPECT_EQ(client.next(), "<0123>");
  EXPECT_EQ(client.next(), R"({"event":"gap","begin":14,"end":16,"cause":"disk full"})");
  EXPECT_EQ(client.next(), "<67>");
  EXPECT_EQ(client.next(), R"({"event":"boot","boot":2,"offset":18,"time":"1970-01-01T00:00:00.000000Z","cause":"guest reboot"})");
  EXPECT_EQ(client.next(), "<89>");
  EXPECT_EQ(client.next(), R"({"event":"replay-ended","offset":20})");
  EXPECT_EQ(client.next(), R"({"event":"writer","writer":"raw:pid=1","you":false})");
  EXPECT_EQ(client.next(), R"({"event":"closing","reason":"web1 has stopped"})");
  EXPECT_EQ(client.next(), "closed 1001 web1 has stopped");
  EXPECT_TRUE(server.becomes([&] { return server.control->connections() == 0 && server.line().open_streams == 0; }));
}

TEST(ControlStream, WhereWhoAndHowReachTheLine) {
  FakeServer server;
  using From = StreamRequest::From;
  auto asked = [&](const std::string& query) {
    TestWebSocket client(server, line_stream + query);
    EXPECT_TRUE(client.is_open()) << query;
    return server.on_loop([&] { return server.line().last_request; });
  };
  EXPECT_EQ(asked("").from, From::tail);
  EXPECT_EQ(asked("?from=start").from, From::start);
  EXPECT_EQ(asked("?from=18446744073709551615").value, UINT64_MAX);
  StreamRequest back = asked("?from=-4096&read_only=1");
  EXPECT_EQ(back.from, From::back);
  EXPECT_EQ(back.value, 4096u);
  EXPECT_TRUE(back.read_only);
  EXPECT_EQ(back.who, "api:pid=" + std::to_string(::getpid()) + ",uid=" + std::to_string(::getuid()));
  EXPECT_EQ(asked("?from=boot:3").from, From::boot);
  StreamRequest newest = asked("?from=boot:-1&take=1");
  EXPECT_EQ(newest.from, From::boot_back);
  EXPECT_EQ(newest.value, 1u);
  EXPECT_TRUE(newest.take);
}

TEST(ControlStream, WhatCannotBeOpenedIsAnOrdinaryRefusal) {
  FakeServer server;
  EXPECT_EQ(TestWebSocket(server, "/v1/lines/console0/stream").status(), 404);
  EXPECT_EQ(TestWebSocket(server, line_stream + "?from=boot:4").status(), 404);
  EXPECT_EQ(TestWebSocket(server, line_stream + "?from=boot:0").status(), 400);
  EXPECT_EQ(TestWebSocket(server, line_stream + "?from=").status(), 400);
  EXPECT_EQ(TestWebSocket(server, line_stream + "?read_only=1&take=1").status(), 400);
  EXPECT_EQ(TestWebSocket(server, line_stream, "chat").status(), 400);
  EXPECT_EQ(TestWebSocket(server, "/v1/events/stream", "binary").status(), 400);
  EXPECT_EQ(TestWebSocket(server, "/v1/vm").status(), 200);  // no WebSocket there: an upgrade that is not taken up
  UniqueFd fd = server.connect();
  HttpAnswer plain = ask(fd, "GET " + line_stream);
  EXPECT_EQ(plain.status, 426);
  EXPECT_NE(plain.header.find("Upgrade: websocket\r\n"), std::string::npos) << plain.header;
  EXPECT_EQ(ask(fd, "GET /v1/vm").status, 200);
  std::string upgrade = "GET " + line_stream + " HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: ";
  send_text(fd, upgrade + "12\r\nHost: vm\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
  EXPECT_EQ(read_answer(fd).status, 426);
  send_text(fd, upgrade + "13\r\nHost: vm\r\nSec-WebSocket-Key: x\r\n\r\n");
  EXPECT_EQ(read_answer(fd).status, 400);
  send_text(fd, upgrade + "13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
  EXPECT_EQ(read_answer(fd).status, 400);
  send_text(fd, upgrade + "13\r\nHost: vm\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\nearly");
  EXPECT_EQ(read_answer(fd).status, 400);
  EXPECT_EQ(server.on_loop([&] { return server.line().open_streams; }), 0);
}

TEST(ControlStream, BinarySubprotocolIsBytesAlone) {
  FakeServer server;
  server.on_loop([&] {
    FakeLineState& line = server.line();
    line.say(StreamItem(Opened{0, 2, 1}));
    line.say("a");
    line.say(StreamItem(Gap{{1, 2}, "disk full"}));
    line.say("b");
    line.say(StreamItem(ReplayEnded{3}));
    line.refuses = true;
  });
  TestWebSocket client(server, line_stream, "chat, binary");
  EXPECT_EQ(client.chosen(), "binary");
  EXPECT_EQ(client.next(), "<a>");
  EXPECT_EQ(client.next(), "<b>");
  client.type("refused in silence");
  server.on_loop([&] { server.line().refuses = false; });
  client.say("typed too");
  ASSERT_TRUE(server.becomes([&] { return server.line().typed.ends_with("typed too"); }));
  server.on_loop([&] { server.line().say(StreamItem(Closing{"end"})); });
  EXPECT_EQ(client.next(), "closed 1001 end");
}

TEST(ControlStream, BothSubprotocolsOfferedIsTheFullOne) {
  FakeServer server;
  EXPECT_EQ(TestWebSocket(server, line_stream, "binary, vmline.v1").chosen(), "vmline.v1");
  TestWebSocket none(server, line_stream, "");
  EXPECT_EQ(none.chosen(), "");
  server.on_loop([&] { server.line().say(StreamItem(ReplayEnded{3})); });
  EXPECT_EQ(none.next(), R"({"event":"replay-ended","offset":3})");
}

TEST(ControlStream, TypingRefusalAndTake) {
  FakeServer server;
  TestWebSocket client(server, line_stream);
  client.type("ls\r");
  client.type("");
  client.type(std::string(limits::websocket_message, 'x'));
  ASSERT_TRUE(server.becomes([&] { return server.line().typed.size() == 3 + limits::websocket_message; }));
  server.on_loop([&] { server.line().refuses = true; });
  client.type("x");
  EXPECT_EQ(client.next(), R"({"event":"refused","detail":"writer-x has the lease"})");
  client.say(R"({"type":"take"})");
  client.type("y");
  ASSERT_TRUE(server.becomes([&] { return server.line().takes == 1 && server.line().typed.ends_with("y"); }));
  TestWebSocket reader(server, line_stream + "?read_only=1");
  reader.type("x");
  EXPECT_EQ(reader.next(), R"({"event":"refused","detail":"this stream is read-only"})");
  reader.say(R"({"type":"take"})");
  EXPECT_EQ(reader.next(), R"({"event":"refused","detail":"this stream is read-only"})");
}

TEST(ControlStream, SenselessMessagesCloseTheStreamWithTheReason) {
  FakeServer server;
  auto end_after = [&](std::string_view text) {
    TestWebSocket client(server, line_stream);
    client.say(text);
    return client.next();
  };
  EXPECT_EQ(end_after("hello"), "closed 1008 line 1, column 1: syntax error");
  EXPECT_EQ(end_after(R"({"type":"give"})"), R"(closed 1008 /type: "give" is not "take")");
  EXPECT_EQ(end_after(R"({"type":"take","now":1})"), "closed 1008 /now: is not known; the fields here are type");
  EXPECT_EQ(end_after(R"({})"), R"(closed 1008 /type: is not "take")");
  TestWebSocket client(server, line_stream);
  client.type(std::string(limits::websocket_message + 1, 'x'));
  EXPECT_EQ(client.next(), "closed 1009 ");
  EXPECT_TRUE(server.becomes([&] { return server.control->connections() == 0; }));
}

TEST(ControlStream, MessagesSplitAtEveryByteAndInFramesAreTyped) {
  FakeServer server;
  TestWebSocket client(server, line_stream);
  // FIN + binary, masked with zeros: "ab"; then "c" and "d" as two frames of one message.
  std::string frames(
      "\x82\x82\0\0\0\0"
      "ab"
      "\x02\x81\0\0\0\0"
      "c"
      "\x80\x81\0\0\0\0"
      "d",
      22);
  for (char c : frames) ASSERT_EQ(::send(client.fd(), &c, 1, MSG_NOSIGNAL), 1);
  EXPECT_TRUE(server.becomes([&] { return server.line().typed == "abcd"; }));
}

TEST(ControlStream, GuestThatDoesNotReadHoldsUpTypingAlone) {
  FakeServer server;
  server.on_loop([&] { server.line().guest_reads = false; });
  TestWebSocket client(server, line_stream);
  client.type("waits");
  server.on_loop([&] { server.line().say("shown"); });
  EXPECT_EQ(client.next(), "<shown>");
  server.on_loop([&] {
    server.line().guest_reads = true;
    server.line().changed.timer.cancel();
  });
  EXPECT_TRUE(server.becomes([&] { return server.line().typed == "waits"; }));
}

TEST(ControlStream, EventsComeAsTheyHappenFromANumberOn) {
  FakeServer server;
  auto add = [&](const char* type) { server.on_loop([&] { server.vm->events().add(type, {}, Time()); }); };
  auto told = [](int number, const std::string& type) {
    return R"({"sequence":)" + std::to_string(number) + R"(,"time":"1970-01-01T00:00:00.000000Z","type":")" + type + R"("})";
  };
  add("a");
  add("b");
  TestWebSocket all(server, "/v1/events/stream?from=1"), live(server, "/v1/events/stream"), none(server, "/v1/events/stream?from=9", "");
  EXPECT_EQ(all.next(), told(1, "a"));
  EXPECT_EQ(all.next(), told(2, "b"));
  add("c");
  EXPECT_EQ(all.next(), told(3, "c"));
  EXPECT_EQ(live.next(), told(3, "c"));
  live.say("hello");
  EXPECT_EQ(live.next(), "closed 1008 nothing is taken on this stream");
  for (int i = 4; i <= 200; ++i) add("d");
  for (int i = 4; i <= 200; ++i) ASSERT_EQ(all.next(), told(i, "d"));
  EXPECT_EQ(none.next(), told(9, "d"));
  server.on_loop([&] { server.vm->events().close(); });
  EXPECT_EQ(all.next(), "closed 1001 the keeper closes");
}

}  // namespace
}  // namespace vmline::keeper
