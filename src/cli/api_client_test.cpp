// SPDX-License-Identifier: Apache-2.0
// Requests against a scripted keeper: answers, refusals, silence, death.
#include "cli/api_client.hpp"

#include <gtest/gtest.h>

#include "cli/connection.hpp"
#include "cli/fake_keeper.hpp"

namespace vmline::cli {
namespace {

using namespace std::chrono_literals;
using Connection = FakeKeeper::Connection;

struct ApiClientTest : testing::Test {
  TemporaryFolder folder;
  std::string path = folder.path() + "/control.sock";
  ApiClient client{path};
};

TEST_F(ApiClientTest, AsksAndReadsTheAnswer) {
  FakeKeeper keeper(path, {[](Connection& connection) {
                      EXPECT_EQ(connection.request().method_string(), "PUT");
                      EXPECT_EQ(connection.target(), "/v1/vm/stop");
                      EXPECT_EQ(connection.request().body(), R"({"timeout_ms":5})");
                      connection.answer(200, R"({"state":"stopped"})");
                    }});
  auto answer = client.put("/v1/vm/stop", {{"timeout_ms", 5}}, 5s);
  ASSERT_TRUE(answer) << answer.error().sentence();
  EXPECT_EQ(answer->at("state").as_string(), "stopped");
}

TEST_F(ApiClientTest, PostsBytesAsTheyAre) {
  std::string bytes("a\0b\xff", 4);
  FakeKeeper keeper(path, {[&](Connection& connection) {
                      EXPECT_EQ(connection.request().body(), bytes);
                      connection.answer(204, "");
                    }});
  EXPECT_TRUE(client.post("/v1/lines/serial0/input", bytes, 5s));
}

TEST_F(ApiClientTest, ARefusalIsItsSentenceAndKind) {
  FakeKeeper keeper(
      path, {[](Connection& connection) { connection.answer(404, R"({"title":"Not Found","status":404,"detail":"there is no line x"})"); },
             [](Connection& connection) { connection.answer(409, "?"); }});
  auto answer = client.get("/v1/lines/x", 5s);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), ErrorKind::not_found);
  EXPECT_EQ(answer.error().sentence(), "there is no line x");
  EXPECT_FALSE(is_lost_connection(answer.error()));
  answer = client.get("/v1/vm", 5s);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), ErrorKind::conflict);
}

TEST_F(ApiClientTest, AKeeperThatSaysNothingIsTimedOut) {
  FakeKeeper keeper(path, {[](Connection& connection) { connection.wait_for_end(); }});
  auto answer = client.get("/v1/vm", 50ms);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), ErrorKind::timed_out);
}

TEST_F(ApiClientTest, AKeeperThatDiesOverARequestIsALostConnection) {
  FakeKeeper keeper(path, {[](Connection&) {}});
  auto answer = client.get("/v1/vm", 5s);
  ASSERT_FALSE(answer);
  EXPECT_TRUE(is_lost_connection(answer.error())) << answer.error().sentence();
}

TEST_F(ApiClientTest, NobodyThereIsALostConnection) {
  auto answer = client.get("/v1/vm", 5s);
  ASSERT_FALSE(answer);
  EXPECT_TRUE(is_lost_connection(answer.error()));
  EXPECT_TRUE(answer.error().sentence().ends_with("No such file or directory")) << answer.error().sentence();
}

TEST_F(ApiClientTest, APathThatIsTooLongIsAUsageError) {
  auto answer = ApiClient("/" + std::string(120, 'x')).get("/v1/vm", 5s);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), ErrorKind::usage);
}

}  // namespace
}  // namespace vmline::cli
