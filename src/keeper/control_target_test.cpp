// SPDX-License-Identifier: Apache-2.0
// Request targets and queries, without HTTP.
#include "keeper/control_target.hpp"

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "keeper/control_query.hpp"

namespace vmline::keeper {
namespace {

TEST(ControlTarget, IsTakenApartAndDecoded) {
  auto target = parse_target("/v1/lines/a%2Fb%25/stream?from=boot%3a-1&&take=&x");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, (std::vector<std::string>{"v1", "lines", "a/b%", "stream"}));
  ASSERT_EQ(target->query.size(), 3u);
  EXPECT_EQ(target->query[0].name, "from");
  EXPECT_EQ(target->query[0].value, "boot:-1");
  EXPECT_EQ(target->query[1].name, "take");
  EXPECT_EQ(target->query[1].value, "");
  EXPECT_EQ(target->query[2].name, "x");
  EXPECT_EQ(target->query[2].value, "");
  EXPECT_EQ(parse_target("/")->path, std::vector<std::string>{""});
  EXPECT_EQ(parse_target("//x/")->path, (std::vector<std::string>{"", "x", ""}));
  EXPECT_EQ(parse_target("/?a=b?c=d")->query[0].value, "b?c=d");
}

TEST(ControlTarget, WhatHasNoMeaningIsRefused) {
  for (std::string_view text :
       {"", "v1", "*", "http://vm/v1", "/%", "/%4", "/%4g", "/%g4", "/x?a=%", "/%0a", "/%7f", "/\x80", "/a b\x01", "/?a=1&a=2"}) {
    auto target = parse_target(text);
    ASSERT_FALSE(target) << text;
    EXPECT_EQ(target.error().kind(), ErrorKind::usage);
  }
  std::string deep, wide = "/?";
  for (std::size_t i = 0; i < limits::target_parts; ++i) {
    deep += "/x";
    wide += "p" + std::to_string(i) + "&";
  }
  EXPECT_TRUE(parse_target(deep));
  EXPECT_FALSE(parse_target(deep + "/x"));
  EXPECT_TRUE(parse_target(wide));
  EXPECT_FALSE(parse_target(wide + "one-more"));
}

TEST(ControlQuery, WhereIsReadAsItIsWritten) {
  using From = StreamRequest::From;
  struct {
    std::string_view text;
    From from;
    std::uint64_t value;
  } good[] = {{"tail", From::tail, 0},   {"start", From::start, 0},
              {"0", From::offset, 0},    {"18446744073709551615", From::offset, UINT64_MAX},
              {"-0", From::back, 0},     {"-1048576", From::back, 1048576},
              {"boot:1", From::boot, 1}, {"boot:-1", From::boot_back, 1}};
  for (const auto& [text, from, value] : good) {
    StreamRequest request;
    ASSERT_TRUE(parse_where(text, request)) << text;
    EXPECT_EQ(request.from, from) << text;
    EXPECT_EQ(request.value, value) << text;
  }
  for (std::string_view text :
       {"", "-", "--1", "+1", "1x", " 1", "18446744073709551616", "boot", "boot:", "boot:0", "boot:-0", "boot:-", "Tail", "0x10"}) {
    StreamRequest request;
    auto read = parse_where(text, request);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().sentence(), "from=" + std::string(text) + " is not tail, start, an offset, -BYTES, boot:N or boot:-N");
  }
}

}  // namespace
}  // namespace vmline::keeper
