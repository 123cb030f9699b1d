// SPDX-License-Identifier: Apache-2.0
// docs/openapi.yaml tells what the server has, no more and no less: paths, methods, query parameters, answers.
#include "keeper/control_routes.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "keeper/control_fake_server.hpp"

namespace vmline::keeper {
namespace {

struct Operation {
  std::set<std::string> parameters;  ///< of the query
  std::set<std::string> statuses;
};

/// The operations of the file by "METHOD /path". It is laid out so that lines and their indentation are enough: two columns a level.
std::map<std::string, Operation> read_openapi() {
  std::ifstream file(std::filesystem::path(__FILE__).parent_path() / "../../docs/openapi.yaml");
  EXPECT_TRUE(file) << "docs/openapi.yaml is not there";
  std::map<std::string, Operation> operations;
  std::string line, path, operation;
  bool in_paths = false;
  while (std::getline(file, line)) {
    std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
    std::string text = line.substr(indent);
    if (indent == 0 && !text.empty()) in_paths = text == "paths:";
    if (!in_paths || text.empty() || text[0] == '#') continue;
    if (indent == 2) path = text.substr(0, text.find(':'));
    if (indent == 4) {
      operation = text.substr(0, text.find(':'));
      std::ranges::transform(operation, operation.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
      operation = operation == "PARAMETERS" ? "" : operation + " " + path;
      if (!operation.empty()) operations[operation];
    }
    if (operation.empty()) continue;
    if (indent == 8 && text.starts_with("- name: ")) operations[operation].parameters.insert(text.substr(8));
    if (indent == 8 && text.starts_with('\'')) operations[operation].statuses.insert(text.substr(1, 3));
  }
  return operations;
}

std::string example(std::string path) {
  if (std::size_t at = path.find("{line}"); at != std::string::npos) path.replace(at, 6, "serial0");
  return path;
}

TEST(ControlRoutes, EachIsInTheOpenApiFileAndNothingElseIs) {
  std::set<std::string> served, told;
  for (const RouteEntry& entry : routes()) served.insert(std::string(entry.method) + " " + std::string(entry.path));
  for (const auto& [operation, what] : read_openapi()) told.insert(operation);
  EXPECT_EQ(served, told);
}

TEST(ControlRoutes, EachIsAnsweredWithAStatusThatTheFileTells) {
  FakeServer server;
  for (const auto& [operation, what] : read_openapi()) {
    HttpAnswer answer = ask(server.connect(), example(operation));
    EXPECT_NE(answer.status, 404) << operation;
    EXPECT_NE(answer.status, 405) << operation;
    EXPECT_TRUE(what.statuses.contains(std::to_string(answer.status))) << operation << " answered " << answer.status;
  }
}

TEST(ControlRoutes, EachTakesTheParametersOfTheFileAndNoOthers) {
  FakeServer server;
  const std::map<std::string, std::string> values = {{"from", "5"}, {"limit", "5"}, {"take", "1"}, {"read_only", "1"}};
  for (const auto& [operation, what] : read_openapi()) {
    for (const auto& [name, value] : values) {
      std::string request = example(operation) + "?" + name + "=" + value;
      // An upgrade, so that a stream reads its query before it says that it is one. The answer is all that is wanted of it.
      std::string upgrade = operation.ends_with("/stream") ? "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                                             "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                                                           : "";
      UniqueFd fd = server.connect();
      send_text(fd, request + " HTTP/1.1\r\nHost: vm\r\n" + upgrade + "\r\n");
      EXPECT_EQ(read_answer(fd).status != 400, what.parameters.contains(name)) << request;
    }
  }
}

TEST(ControlRoutes, LineStandsForOnePartOnly) {
  auto match = [](std::string_view target) { return match_route("GET", *parse_target(target)); };
  ASSERT_TRUE(match("/v1/lines/serial0/boots"));
  EXPECT_EQ(match("/v1/lines/serial0/boots")->line, "serial0");
  EXPECT_EQ(match("/v1/lines/boots")->entry->route, Route::line);
  EXPECT_FALSE(match("/v1/lines//boots"));
  EXPECT_FALSE(match("/v1/lines/a/b/boots"));
  EXPECT_EQ(match_route("PUT", *parse_target("/v1/vm")).error().allow, "GET");
}

}  // namespace
}  // namespace vmline::keeper
