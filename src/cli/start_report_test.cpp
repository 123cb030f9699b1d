// SPDX-License-Identifier: Apache-2.0
// Reports of a starting keeper, cut anywhere.
#include "cli/start_report.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace vmline::cli {
namespace {

TEST(StartReport, TellsProgressAndTheResultWhereverTheyAreCut) {
  std::string data = R"({"progress":"starts the monitor"})"
                     "\n"
                     R"({"later":"unknown"})"
                     "\n"
                     R"({"result":"ok","state":"running"})"
                     "\n";
  for (std::size_t cut = 0; cut <= data.size(); ++cut) {
    std::vector<std::string> progress;
    StartReport report([&](std::string_view text) { progress.emplace_back(text); });
    auto result = report.feed(std::string_view(data).substr(0, cut));
    if (!result) result = report.feed(std::string_view(data).substr(cut));
    ASSERT_TRUE(result && *result) << "cut at " << cut;
    EXPECT_EQ((*result)->at("state").as_string(), "running");
    EXPECT_EQ(progress, std::vector<std::string>{"starts the monitor"});
  }
}

TEST(StartReport, AnErrorKeepsItsKindAndSentence) {
  StartReport report([](std::string_view) {});
  auto result = report.feed("{\"result\":\"error\",\"kind\":\"conflict\",\"detail\":\"web1 runs already\"}\n");
  ASSERT_TRUE(result && !*result);
  EXPECT_EQ(result->error().kind(), ErrorKind::conflict);
  EXPECT_EQ(result->error().sentence(), "web1 runs already");
}

TEST(StartReport, NothingIsDecidedBeforeALineIsComplete) {
  StartReport report([](std::string_view) {});
  EXPECT_FALSE(report.feed(R"({"result":"ok"})"));
  EXPECT_TRUE(report.feed("\n"));
}

TEST(StartReport, WhatIsNoReportIsAnError) {
  StartReport report([](std::string_view) {});
  auto result = report.feed("Segmentation fault\n");
  ASSERT_TRUE(result && !*result);
  EXPECT_EQ(result->error().sentence(), "the keeper reports what is no JSON object: Segmentation fault");
}

}  // namespace
}  // namespace vmline::cli
