// SPDX-License-Identifier: Apache-2.0
// What clients of the control API can make grow or last: headers, bodies, connections, commands, times, descriptors.
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "base/limits.hpp"
#include "keeper/control_fake_server.hpp"

namespace vmline::keeper {
namespace {

using namespace std::chrono_literals;

TEST(ControlLimits, GuestThatDoesNotReadEndsInATimeoutAndLetsTheLeaseGo) {
  FakeServer server({.typing = 50ms});
  server.on_loop([&] { server.line().guest_reads = false; });
  UniqueFd fd = server.connect();
  HttpAnswer answer = ask(fd, "POST /v1/lines/serial0/input", "x");
  EXPECT_EQ(answer.status, 504);
  EXPECT_EQ(detail_of(answer), "the guest did not take all of it within 50 ms");
  EXPECT_EQ(server.on_loop([&] { return server.line().open_streams; }), 0);
  server.on_loop([&] { server.line().guest_reads = true; });
  EXPECT_EQ(ask(fd, "POST /v1/lines/serial0/input", "y").status, 204);
}

TEST(ControlLimits, CommandsUnderWayAreLimited) {
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

TEST(ControlLimits, HeaderBodyAndTargetHaveLimits) {
  FakeServer server;
  UniqueFd header = server.connect();
  send_text(header, "GET /v1/vm HTTP/1.1\r\nX: " + std::string(limits::http_header, 'x'));
  HttpAnswer answer = read_answer(header);
  EXPECT_EQ(answer.status, 431);
  EXPECT_EQ(detail_of(answer), "the request's header has more than 16384 bytes");
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

TEST(ControlLimits, BodiesUnderWayAreLimitedInAll) {
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

TEST(ControlLimits, SlowHeaderSlowBodyAndIdleConnectionsEnd) {
  FakeServer server({.header = 60ms, .idle = 60ms, .body = 60ms});
  UniqueFd header = server.connect(), body = server.connect(), idle = server.connect(), silent = server.connect();
  send_text(header, "GET /v1/vm HTTP/1.1\r\nX: ");
  send_text(body, "PUT /v1/vm/stop HTTP/1.1\r\nContent-Length: 2\r\n\r\n{");
  EXPECT_EQ(ask(idle, "GET /v1/vm").status, 200);
  HttpAnswer late_header = read_answer(header);
  EXPECT_EQ(late_header.status, 408);
  EXPECT_EQ(detail_of(late_header), "the request's header was not there within 60 ms");
  EXPECT_EQ(read_answer(body).status, 408);
  EXPECT_TRUE(has_ended(header));
  EXPECT_TRUE(has_ended(body));
  EXPECT_TRUE(has_ended(idle));
  EXPECT_TRUE(has_ended(silent));
}

TEST(ControlLimits, ClientThatDoesNotTakeItsAnswerIsCutOff) {
  FakeServer server({.answer = 60ms});
  server.on_loop([&] { server.vm->info_text = std::string(2u << 20, 'x'); });
  UniqueFd fd = server.connect();
  send_text(fd, "GET /v1/vm HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(server.becomes([&] { return server.control->connections() == 1; }));
  EXPECT_TRUE(server.becomes([&] { return server.control->connections() == 0; }));
}

TEST(ControlLimits, ClientsBeyondTheLimitAreToldSoAndTheRestIsNotDisturbed) {
  FakeServer server({.clients = 3});
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(server.connect());
    ASSERT_EQ(ask(clients.back(), "GET /v1/vm").status, 200);
  }
  UniqueFd refused = server.connect();
  HttpAnswer answer = ask(refused, "GET /v1/vm");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(detail_of(answer), "3 clients are connected already, as many as there may be");
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

TEST(ControlLimits, AtTheDescriptorLimitClientsAreTurnedAwayAndServedAgainWhenThereIsRoom) {
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
  EXPECT_EQ(detail_of(answer), "there are no descriptors left for another client");
  EXPECT_TRUE(has_ended(refused));
  EXPECT_EQ(ask(served, "GET /v1/vm").status, 200);
  filling.clear();
  EXPECT_EQ(ask(server.connect(), "GET /v1/vm").status, 200);
  ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace vmline::keeper
