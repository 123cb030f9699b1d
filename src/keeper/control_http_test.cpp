// SPDX-License-Identifier: Apache-2.0
// The control API over HTTP, by its bytes: every route, every refusal, and what a client that leaves or a server that closes changes.
#include "keeper/control_http.hpp"

#include "keeper/control_fake_server.hpp"

namespace vmline::keeper {
namespace {

using namespace std::chrono_literals;

TEST(ControlHttp, AnswersEveryReadOnOneConnection) {
  FakeServer server;
  server.on_loop([&] { server.vm->events().add("boot", {{"line", "serial0"}}, Time()); });
  UniqueFd fd = server.connect();
  EXPECT_EQ(ask(fd, "GET /v1/vm").body, R"({"name":"web1","text":""})"
                                        "\n");
  EXPECT_EQ(ask(fd, "GET /v1/vm/spec").body, R"({"cpus":2})"
                                             "\n");
  EXPECT_EQ(ask(fd, "GET /v1/events").body,
            R"({"events":[{"sequence":1,"time":"1970-01-01T00:00:00.000000Z","type":"boot","line":"serial0"}],"next":2})"
            "\n");
  EXPECT_EQ(ask(fd, "GET /v1/events?from=2&limit=5").body, R"({"events":[],"next":2})"
                                                           "\n");
  EXPECT_EQ(ask(fd, "GET /v1/lines/serial0").body, R"({"name":"serial0","head":5})"
                                                   "\n");
  EXPECT_EQ(ask(fd, "GET /v1/lines/%73erial0").body, R"({"name":"serial0","head":5})"
                                                     "\n");
  HttpAnswer boots = ask(fd, "GET /v1/lines/serial0/boots");
  EXPECT_EQ(boots.body, R"({"boots":[{"boot":1,"offset":0}]})"
                        "\n");
  EXPECT_EQ(boots.status, 200);
  EXPECT_NE(boots.header.find("Content-Type: application/json\r\n"), std::string::npos);
}

TEST(ControlHttp, RequestSplitAtEveryByteIsTheSameRequest) {
  FakeServer server;
  UniqueFd fd = server.connect();
  std::string request = "PUT /v1/vm/stop HTTP/1.1\r\nHost: vm\r\nContent-Length: 19\r\n\r\n{\"timeout_ms\":10000}";
  request.replace(request.find("19"), 2, "20");
  for (std::size_t cut = 1; cut < request.size(); ++cut) {
    send_text(fd, request.substr(0, cut));
    std::this_thread::yield();
    send_text(fd, request.substr(cut));
    ASSERT_EQ(read_answer(fd).body, R"({"did":"stop","with":{"timeout_ms":10000}})"
                                    "\n")
        << "cut at " << cut;
  }
  for (char c : request) send_text(fd, {&c, 1});
  EXPECT_EQ(read_answer(fd).status, 200);
}

TEST(ControlHttp, PipelinedRequestsAreAnsweredInOrder) {
  FakeServer server;
  UniqueFd fd = server.connect();
  send_text(
      fd, "GET /v1/vm/spec HTTP/1.1\r\n\r\nGET /v1/lines/serial0 HTTP/1.1\r\n\r\nPUT /v1/vm/stop HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_EQ(read_answer(fd).body, R"({"cpus":2})"
                                  "\n");
  EXPECT_EQ(read_answer(fd).body, R"({"name":"serial0","head":5})"
                                  "\n");
  EXPECT_EQ(read_answer(fd).body, R"({"did":"stop","with":{}})"
                                  "\n");
}

TEST(ControlHttp, UnknownPathIsToldThePathsThereAre) {
  FakeServer server;
  UniqueFd fd = server.connect();
  for (const char* path :
       {"/", "/v1", "/v1/vm/", "/v2/vm", "/v1/vm/quit", "/v1/lines/", "/v1/lines/a/b", "/v1/lines/%2e%2e/x", "//v1/vm"}) {
    HttpAnswer answer = ask(fd, std::string("GET ") + path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_NE(detail_of(answer).find("/v1/lines/{line}/stream"), std::string::npos);
  }
  HttpAnswer line = ask(fd, "GET /v1/lines/console0");
  EXPECT_EQ(line.status, 404);
  EXPECT_EQ(detail_of(line), "web1 has no line console0; it has serial0");
}

TEST(ControlHttp, WrongMethodIsToldTheRightOne) {
  FakeServer server;
  UniqueFd fd = server.connect();
  HttpAnswer answer = ask(fd, "POST /v1/vm/stop", "{}");
  EXPECT_EQ(answer.status, 405);
  EXPECT_NE(answer.header.find("Allow: PUT\r\n"), std::string::npos) << answer.header;
  EXPECT_NE(answer.header.find("Connection: close\r\n"), std::string::npos);  // its body was not read
  UniqueFd other = server.connect();
  EXPECT_EQ(ask(other, "DELETE /v1/vm").status, 405);
  EXPECT_EQ(ask(other, "GET /v1/vm").status, 200);
}

TEST(ControlHttp, SenselessQueriesAndArgumentsAreNamed) {
  FakeServer server;
  UniqueFd fd = server.connect();
  auto refusal = [&](const std::string& request, const std::string& body = "") {
    HttpAnswer answer = ask(fd, request, body);
    EXPECT_EQ(answer.status, 400) << request;
    return detail_of(answer);
  };
  EXPECT_EQ(refusal("GET /v1/vm?x=1"), "there is no parameter x here; there are none");
  EXPECT_EQ(refusal("GET /v1/events?from=-1"), "from=-1 is not a number from 0 to 9223372036854775807");
  EXPECT_EQ(refusal("GET /v1/events?limit=0"), "limit=0 is not a number from 1 to 4096");
  EXPECT_EQ(refusal("GET /v1/events?to=7"), "there is no parameter to here; there are from, limit");
  EXPECT_EQ(refusal("GET /v1/events?from=1&from=2"), "parameter from is given twice");
  EXPECT_EQ(refusal("POST /v1/lines/serial0/input?take=yes", "x"), "take=yes is neither 0 nor 1");
  EXPECT_EQ(refusal("GET /v1/lines/%zz"), "the request's target has a % without two hexadecimal digits after it");
  EXPECT_EQ(refusal("GET /v1/lines/%00"), "the request's target has byte 0x00 in it: only printable ASCII has a meaning here");
  EXPECT_EQ(refusal("PUT /v1/vm/stop", R"({"timeout_ms":"soon"})"), R"(/timeout_ms: "soon" is not a number from 0 to 604800000)");
  EXPECT_EQ(refusal("PUT /v1/vm/stop", R"({"timeout":5})"), "/timeout: is not known; the fields here are timeout_ms");
  EXPECT_EQ(refusal("PUT /v1/vm/stop", "[]"), "/: an array of 0 is not an object");
  EXPECT_EQ(refusal("PUT /v1/vm/stop", "{\"timeout_ms\":"), "line 1, column 15: incomplete JSON");
  EXPECT_EQ(refusal("PUT /v1/vm/kill", R"({"timeout_ms":5})"), "/timeout_ms: is not known; the fields here are ");
}

TEST(ControlHttp, ErrorsOfTheServiceKeepTheirKind) {
  FakeServer server;
  UniqueFd fd = server.connect();
  HttpAnswer conflict = ask(fd, "PUT /v1/vm/kill");
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(detail_of(conflict), "kill web1: it is stopped");
  HttpAnswer broke = ask(fd, "PUT /v1/vm/reset");
  EXPECT_EQ(broke.status, 500);
  EXPECT_EQ(detail_of(broke), "reset broke");
  server.on_loop([&] { server.vm->info_throws = true; });
  EXPECT_EQ(ask(fd, "GET /v1/vm").status, 500);
  EXPECT_EQ(ask(fd, "GET /v1/vm/spec").status, 200);
}

TEST(ControlHttp, AnswersAreUtf8WhateverIsToldInThem) {
  FakeServer server;
  server.on_loop([&] { server.vm->info_text = "a\xff\xc3\xa4\xc3"; });
  EXPECT_EQ(ask(server.connect(), "GET /v1/vm").body, "{\"name\":\"web1\",\"text\":\"a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\"}\n");
}

TEST(ControlHttp, InputIsTypedWithOrWithoutTheLease) {
  FakeServer server;
  UniqueFd fd = server.connect();
  std::string bytes("root\r\n\0\xff", 8);
  HttpAnswer typed = ask(fd, "POST /v1/lines/serial0/input", bytes);
  EXPECT_EQ(typed.status, 204);
  EXPECT_EQ(typed.header.find("Content-Length"), std::string::npos);
  EXPECT_EQ(server.on_loop([&] { return server.line().typed; }), bytes);
  std::string who = server.on_loop([&] { return server.line().last_request.who; });
  EXPECT_EQ(who, "api:pid=" + std::to_string(::getpid()) + ",uid=" + std::to_string(::getuid()));
  server.on_loop([&] { server.line().refuses = true; });
  HttpAnswer refused = ask(fd, "POST /v1/lines/serial0/input", "x");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(detail_of(refused), "writer-x has the lease");
  EXPECT_EQ(ask(fd, "POST /v1/lines/serial0/input?take=0", "x").status, 409);
  EXPECT_FALSE(server.on_loop([&] { return server.line().last_request.take; }));
  ask(fd, "POST /v1/lines/serial0/input?take=1", "x");
  EXPECT_TRUE(server.on_loop([&] { return server.line().last_request.take; }));
  EXPECT_EQ(server.on_loop([&] { return server.line().open_streams; }), 0);
}

TEST(ControlHttp, ChunkedBodyIsABody) {
  FakeServer server;
  UniqueFd fd = server.connect();
  send_text(fd, "POST /v1/lines/serial0/input HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(read_answer(fd).status, 204);
  EXPECT_EQ(server.on_loop([&] { return server.line().typed; }), "abcde");
}

TEST(ControlHttp, ClientThatExpectsToBeToldToContinueIs) {
  FakeServer server;
  UniqueFd fd = server.connect();
  send_text(fd, "POST /v1/lines/serial0/input HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(read_answer(fd).status, 100);
  send_text(fd, "ok");
  EXPECT_EQ(read_answer(fd).status, 204);
}

TEST(ControlHttp, ClientThatLeavesWhileTheGuestDoesNotReadLetsTheLeaseGo) {
  FakeServer server;
  server.on_loop([&] { server.line().guest_reads = false; });
  UniqueFd fd = server.connect();
  send_text(fd, "POST /v1/lines/serial0/input HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
  ASSERT_TRUE(server.becomes([&] { return server.line().open_streams == 1; }));
  fd.reset();
  EXPECT_TRUE(server.becomes([&] { return server.line().open_streams == 0 && server.control->connections() == 0; }));
}

TEST(ControlHttp, LongCommandRunsBesideOthersAndOutlivesItsClient) {
  FakeServer server;
  server.on_loop([&] { server.vm->command_waits = true; });
  UniqueFd stays = server.connect(), leaves = server.connect();
  send_text(stays, "PUT /v1/vm/stop HTTP/1.1\r\n\r\n");
  send_text(leaves, "PUT /v1/vm/stop HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(server.becomes([&] { return server.vm->commands_begun == 2; }));
  EXPECT_EQ(ask(server.connect(), "GET /v1/vm").status, 200);
  leaves.reset();
  server.on_loop([&] {
    server.vm->command_waits = false;
    server.vm->command_end.timer.cancel();
  });
  EXPECT_EQ(read_answer(stays).body, R"({"did":"stop","with":{}})"
                                     "\n");
  EXPECT_TRUE(server.becomes([&] { return server.vm->commands_ended == 2; }));
}

TEST(ControlHttp, WhatIsNoHttpIsToldSo) {
  FakeServer server;
  for (const char* nonsense :
       {"\x16\x03\x01 hello\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/3.7\r\n\r\n", "GET /v1/vm HTTP/1.1\r\nA b: c\r\n\r\n"}) {
    UniqueFd fd = server.connect();
    send_text(fd, nonsense);
    HttpAnswer answer = read_answer(fd);
    EXPECT_EQ(answer.status, 400) << nonsense;
    EXPECT_NE(detail_of(answer).find("this is no HTTP request: "), std::string::npos);
    EXPECT_TRUE(has_ended(fd));
  }
  UniqueFd fd = server.connect();
  EXPECT_EQ(ask(fd, "GET http://vm/v1/vm").status, 400);
  EXPECT_EQ(ask(fd, "GET /v1/vm").status, 200);
}

TEST(ControlHttp, ClientsThatVanishAtAnyByteLeaveNothingBehind) {
  FakeServer server;
  std::string request = "POST /v1/lines/serial0/input HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
  for (std::size_t cut = 0; cut <= request.size(); ++cut) {
    UniqueFd fd = server.connect();
    send_text(fd, request.substr(0, cut));
  }
  EXPECT_TRUE(server.becomes([&] { return server.control->connections() == 0 && server.line().open_streams == 0; }));
  EXPECT_EQ(ask(server.connect(), "GET /v1/vm").status, 200);
}

TEST(ControlHttp, CloseEndsIdleConnectionsAndAnswersWhatIsUnderWay) {
  FakeServer server;
  server.on_loop([&] { server.vm->command_waits = true; });
  UniqueFd idle = server.connect(), busy = server.connect();
  EXPECT_EQ(ask(idle, "GET /v1/vm").status, 200);
  send_text(busy, "PUT /v1/vm/stop HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(server.becomes([&] { return server.vm->commands_begun == 1; }));
  server.on_loop([&] { server.control->close("web1 has stopped"); });
  EXPECT_TRUE(has_ended(idle));
  server.on_loop([&] {
    server.vm->command_waits = false;
    server.vm->command_end.timer.cancel();
  });
  HttpAnswer answer = read_answer(busy);
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.header.find("Connection: close\r\n"), std::string::npos);
  busy.reset();
  server.wait_closed();
}

TEST(ControlHttp, CloseCutsOffWhoIsStillThereAfterItsTime) {
  FakeServer server({.leave = 50ms});
  server.on_loop([&] { server.vm->command_waits = true; });
  UniqueFd busy = server.connect(), half = server.connect();
  send_text(busy, "PUT /v1/vm/stop HTTP/1.1\r\n\r\n");
  send_text(half, "GET /v1/v");
  ASSERT_TRUE(server.becomes([&] { return server.vm->commands_begun == 1 && server.control->connections() == 2; }));
  server.on_loop([&] { server.control->close("web1 has stopped"); });
  server.wait_closed();
  EXPECT_TRUE(has_ended(busy));
  EXPECT_TRUE(has_ended(half));
}

TEST(ControlHttp, FallingOverInTheMiddleOfEverythingHarmsNothing) {
  FakeServer server;
  server.on_loop([&] {
    server.vm->command_waits = true;
    server.line().guest_reads = false;
  });
  UniqueFd idle = server.connect(), stop = server.connect(), input = server.connect(), half = server.connect();
  ask(idle, "GET /v1/vm");
  send_text(stop, "PUT /v1/vm/stop HTTP/1.1\r\n\r\n");
  send_text(input, "POST /v1/lines/serial0/input HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
  send_text(half, "GET /v1/v");
  ASSERT_TRUE(server.becomes([&] { return server.vm->commands_begun == 1 && server.line().open_streams == 1; }));
  server.fall_over();
}

}  // namespace
}  // namespace vmline::keeper
