// SPDX-License-Identifier: Apache-2.0
// The control API over HTTP, by its bytes: every route, every refusal, limits, times, and what a client that leaves changes.
#include <sys/resource.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "keeper/control_fake_service.hpp"

namespace vmline::keeper {
namespace {

using namespace std::chrono_literals;

std::string detail(const HttpAnswer& answer) {
  EXPECT_NE(answer.header.find("application/problem+json"), std::string::npos) << answer.header;
  json::object problem = json::parse(answer.body).as_object();
  EXPECT_EQ(problem.at("status").as_int64(), answer.status);
  EXPECT_FALSE(problem.at("title").as_string().empty());
  return std::string(problem.at("detail").as_string());
}

TEST(ControlHttp, AnswersEveryReadOnOneConnection) {
  FakeServer server;
  server.on_loop([&] { server.vm->events().add("boot", {{"line", "serial0"}}, Time()); });
  UniqueFd fd = server.connect();
  EXPECT_EQ(ask(fd, "GET /v1/vm").body, R"({"name":"web1","text":""})" "\n");
  EXPECT_EQ(ask(fd, "GET /v1/vm/spec").body, R"({"cpus":2})" "\n");
  EXPECT_EQ(ask(fd, "GET /v1/events").body,
            R"({"events":[{"sequence":1,"time":"1970-01-01T00:00:00.000000Z","type":"boot","line":"serial0"}],"next":2})" "\n");
  EXPECT_EQ(ask(fd, "GET /v1/events?from=2&limit=5").body, R"({"events":[],"next":2})" "\n");
  EXPECT_EQ(ask(fd, "GET /v1/lines/serial0").body, R"({"name":"serial0","head":5})" "\n");
  EXPECT_EQ(ask(fd, "GET /v1/lines/%73erial0").body, R"({"name":"serial0","head":5})" "\n");
  HttpAnswer boots = ask(fd, "GET /v1/lines/serial0/boots");
  EXPECT_EQ(boots.body, R"({"boots":[{"boot":1,"offset":0}]})" "\n");
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
    ASSERT_EQ(read_answer(fd).body, R"({"did":"stop","with":{"timeout_ms":10000}})" "\n") << "cut at " << cut;
  }
  for (char c : request) send_text(fd, {&c, 1});
  EXPECT_EQ(read_answer(fd).status, 200);
}

TEST(ControlHttp, PipelinedRequestsAreAnsweredInOrder) {
  FakeServer server;
  UniqueFd fd = server.connect();
  send_text(fd, "GET /v1/vm/spec HTTP/1.1\r\n\r\nGET /v1/lines/serial0 HTTP/1.1\r\n\r\nPUT /v1/vm/stop HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_EQ(read_answer(fd).body, R"({"cpus":2})" "\n");
  EXPECT_EQ(read_answer(fd).body, R"({"name":"serial0","head":5})" "\n");
  EXPECT_EQ(read_answer(fd).body, R"({"did":"stop","with":{}})" "\n");
}

TEST(ControlHttp, UnknownPathIsToldThePathsThereAre) {
  FakeServer server;
  UniqueFd fd = server.connect();
  for (const char* path : {"/", "/v1", "/v1/vm/", "/v2/vm", "/v1/vm/quit", "/v1/lines/", "/v1/lines/a/b", "/v1/lines/%2e%2e/x", "//v1/vm"}) {
    HttpAnswer answer = ask(fd, std::string("GET ") + path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_NE(detail(answer).find("/v1/lines/{line}/stream"), std::string::npos);
  }
  HttpAnswer line = ask(fd, "GET /v1/lines/console0");
  EXPECT_EQ(line.status, 404);
  EXPECT_EQ(detail(line), "web1 has no line console0; it has serial0");
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
    return detail(answer);
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
  EXPECT_EQ(detail(conflict), "kill web1: it is stopped");
  HttpAnswer broke = ask(fd, "PUT /v1/vm/reset");
  EXPECT_EQ(broke.status, 500);
  EXPECT_EQ(detail(broke), "reset broke");
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
  EXPECT_EQ(typed.body, "");
  EXPECT_EQ(server.on_loop([&] { return server.line().typed; }), bytes);
  std::string who = server.on_loop([&] { return server.line().last_request.who; });
  EXPECT_EQ(who, "api:pid=" + std::to_string(::getpid()) + ",uid=" + std::to_string(::getuid()));
  server.on_loop([&] { server.line().refuses = true; });
  HttpAnswer refused = ask(fd, "POST /v1/lines/serial0/input", "x");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(detail(refused), "writer-x has the lease");
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

TEST(ControlHttp, GuestThatDoesNotReadEndsInATimeoutAndLetsTheLeaseGo) {
  FakeServer server({.typing = 50ms});
  server.on_loop([&] { server.line().guest_reads = false; });
  UniqueFd fd = server.connect();
  HttpAnswer answer = ask(fd, "POST /v1/lines/serial0/input", "x");
  EXPECT_EQ(answer.status, 504);
  EXPECT_EQ(detail(answer), "the guest did not take all of it within 50 ms");
  EXPECT_EQ(server.on_loop([&] { return server.line().open_streams; }), 0);
  server.on_loop([&] { server.line().guest_reads = true; });
  EXPECT_EQ(ask(fd, "POST /v1/lines/serial0/input", "y").status, 204);
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
  EXPECT_EQ(read_answer(stays).body, R"({"did":"stop","with":{}})" "\n");
  EXPECT_TRUE(server.becomes([&] { return server.vm->commands_ended == 2; }));
}

TEST(ControlHttp, CommandsUnderWayAreLimited) {
  FakeServer server;
  server.on_loop([&] { server.vm->command_waits = true; });
  for (std::size_t i = 0; i < limits::api_commands; ++i) send_text(server.connect(), "PUT /v1/vm/stop HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(server.becomes([&] { return server.vm->commands_begun == limits::api_commands; }));
  EXPECT_EQ(ask(server.connect(), "PUT /v1/vm/stop").status, 503);
  server.on_loop([&] {
    server.vm->command_waits = false;
    server.vm->command_end.timer.cancel();
  });
  EXPECT_TRUE(server.becomes([&] { return server.vm->commands_ended == limits::api_commands; }));
  EXPECT_EQ(ask(server.connect(), "PUT /v1/vm/stop").status, 200);
}

TEST(ControlHttp, HeaderBodyAndTargetHaveLimits) {
  FakeServer server;
  UniqueFd header = server.connect();
  send_text(header, "GET /v1/vm HTTP/1.1\r\nX: " + std::string(limits::http_header, 'x'));
  HttpAnswer answer = read_answer(header);
  EXPECT_EQ(answer.status, 431);
  EXPECT_EQ(detail(answer), "the request's header has more than 16384 bytes");
  EXPECT_TRUE(has_ended(header));

  UniqueFd body = server.connect();
  send_text(body, "POST /v1/lines/serial0/input HTTP/1.1\r\nContent-Length: 1048577\r\n\r\nabc");
  EXPECT_EQ(read_answer(body).status, 413);
  EXPECT_TRUE(has_ended(body));

  UniqueFd chunked = server.connect();
  std::thread sender([&] {
    send_text(chunked, "POST /v1/lines/serial0/input HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 20; ++i) send_text(chunked, "10000\r\n" + std::string(65536, 'x') + "\r\n");
  });
  EXPECT_EQ(read_answer(chunked).status, 413);
  sender.join();

  EXPECT_EQ(ask(server.connect(), "POST /v1/lines/serial0/input", std::string(limits::http_body, 'x')).status, 204);
  EXPECT_EQ(server.on_loop([&] { return server.line().typed.size(); }), limits::http_body);
}

TEST(ControlHttp, BodiesUnderWayAreLimitedInAll) {
  FakeServer server;
  std::vector<UniqueFd> clients;
  std::string begun = "POST /v1/lines/serial0/input HTTP/1.1\r\nContent-Length: 1048576\r\nExpect: 100-continue\r\n\r\n";
  for (std::size_t i = 0; i < limits::api_bodies / limits::http_body; ++i) {
    clients.push_back(server.connect());
    send_text(clients.back(), begun);
    ASSERT_EQ(read_answer(clients.back()).status, 100);
  }
  UniqueFd late = server.connect();
  send_text(late, begun);
  EXPECT_EQ(read_answer(late).status, 503);
  clients.clear();
  ASSERT_TRUE(server.becomes([&] { return server.control->connections() <= 1; }));
  EXPECT_EQ(ask(server.connect(), "POST /v1/lines/serial0/input", "x").status, 204);
}

TEST(ControlHttp, WhatIsNoHttpIsToldSo) {
  FakeServer server;
  for (const char* nonsense : {"\x16\x03\x01 hello\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/3.7\r\n\r\n", "GET /v1/vm HTTP/1.1\r\nA b: c\r\n\r\n"}) {
    UniqueFd fd = server.connect();
    send_text(fd, nonsense);
    HttpAnswer answer = read_answer(fd);
    EXPECT_EQ(answer.status, 400) << nonsense;
    EXPECT_NE(detail(answer).find("this is no HTTP request: "), std::string::npos);
    EXPECT_TRUE(has_ended(fd));
  }
  UniqueFd fd = server.connect();
  EXPECT_EQ(ask(fd, "GET http://vm/v1/vm").status, 400);
  EXPECT_EQ(ask(fd, "GET /v1/vm").status, 200);
}

TEST(ControlHttp, SlowHeaderSlowBodyAndIdleConnectionsEnd) {
  FakeServer server({.header = 60ms, .idle = 60ms, .body = 60ms});
  UniqueFd header = server.connect(), body = server.connect(), idle = server.connect(), silent = server.connect();
  send_text(header, "GET /v1/vm HTTP/1.1\r\nX: ");
  send_text(body, "PUT /v1/vm/stop HTTP/1.1\r\nContent-Length: 2\r\n\r\n{");
  EXPECT_EQ(ask(idle, "GET /v1/vm").status, 200);
  HttpAnswer late_header = read_answer(header);
  EXPECT_EQ(late_header.status, 408);
  EXPECT_EQ(detail(late_header), "the request's header was not there within 60 ms");
  EXPECT_EQ(read_answer(body).status, 408);
  EXPECT_TRUE(has_ended(header));
  EXPECT_TRUE(has_ended(body));
  EXPECT_TRUE(has_ended(idle));
  EXPECT_TRUE(has_ended(silent));
}

TEST(ControlHttp, ClientThatDoesNotTakeItsAnswerIsCutOff) {
  FakeServer server({.answer = 60ms});
  server.on_loop([&] { server.vm->info_text = std::string(2u << 20, 'x'); });
  UniqueFd fd = server.connect();
  send_text(fd, "GET /v1/vm HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(server.becomes([&] { return server.control->connections() == 1; }));
  EXPECT_TRUE(server.becomes([&] { return server.control->connections() == 0; }));
}

TEST(ControlHttp, ClientsBeyondTheLimitAreToldSoAndTheRestIsNotDisturbed) {
  FakeServer server({.clients = 3});
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(server.connect());
    ASSERT_EQ(ask(clients.back(), "GET /v1/vm").status, 200);
  }
  UniqueFd refused = server.connect();
  HttpAnswer answer = ask(refused, "GET /v1/vm");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(detail(answer), "3 clients are connected already, as many as there may be");
  EXPECT_TRUE(has_ended(refused));
  std::vector<UniqueFd> crowd;
  for (int i = 0; i < 200; ++i) crowd.push_back(server.connect());
  EXPECT_EQ(ask(clients[0], "GET /v1/vm").status, 200);
  EXPECT_LE(server.connections(), 3 + limits::api_refusals);
  EXPECT_EQ(read_answer(crowd.back()).status, 503);  // without having asked
  crowd.clear();
  clients.pop_back();
  EXPECT_TRUE(server.becomes([&] { return server.control->connections() == 2; }));
  EXPECT_EQ(ask(server.connect(), "GET /v1/vm").status, 200);
}

TEST(ControlHttp, AtTheDescriptorLimitClientsAreTurnedAwayAndServedAgainWhenThereIsRoom) {
  FakeServer server;
  UniqueFd served = server.connect(), refused = server.connect();
  ASSERT_EQ(ask(served, "GET /v1/vm").status, 200);
  ASSERT_EQ(ask(refused, "GET /v1/vm").status, 200);
  refused.reset();
  ASSERT_TRUE(server.becomes([&] { return server.control->connections() == 1; }));
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit low{128, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &low);
  std::vector<UniqueFd> filling;
  while (true) {
    UniqueFd fd(::fcntl(served.get(), F_DUPFD_CLOEXEC, 0));
    if (!fd) break;
    filling.push_back(std::move(fd));
  }
  filling.pop_back();
  refused = server.connect();  // takes the last one: the server has none
  HttpAnswer answer = read_answer(refused);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(detail(answer), "there are no descriptors left for another client");
  EXPECT_TRUE(has_ended(refused));
  EXPECT_EQ(ask(served, "GET /v1/vm").status, 200);
  filling.clear();
  EXPECT_EQ(ask(server.connect(), "GET /v1/vm").status, 200);
  ::setrlimit(RLIMIT_NOFILE, &before);
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
