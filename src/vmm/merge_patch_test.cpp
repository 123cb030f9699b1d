// SPDX-License-Identifier: Apache-2.0
// The examples of RFC 7396, appendix A.
#include "vmm/merge_patch.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace vmline::vmm {
namespace {

std::string merged(const char* target, const char* patch) {
  boost::json::value value = boost::json::parse(target);
  merge_patch(value, boost::json::parse(patch));
  return boost::json::serialize(value);
}

TEST(MergePatch, DoesWhatTheRfcSays) {
  EXPECT_EQ(merged(R"({"a":"b"})", R"({"a":"c"})"), R"({"a":"c"})");
  EXPECT_EQ(merged(R"({"a":"b"})", R"({"b":"c"})"), R"({"a":"b","b":"c"})");
  EXPECT_EQ(merged(R"({"a":"b"})", R"({"a":null})"), R"({})");
  EXPECT_EQ(merged(R"({"a":"b","b":"c"})", R"({"a":null})"), R"({"b":"c"})");
  EXPECT_EQ(merged(R"({"a":["b"]})", R"({"a":"c"})"), R"({"a":"c"})");
  EXPECT_EQ(merged(R"({"a":"c"})", R"({"a":["b"]})"), R"({"a":["b"]})");
  EXPECT_EQ(merged(R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})"), R"({"a":{"b":"d"}})");
  EXPECT_EQ(merged(R"({"a":[{"b":"c"}]})", R"({"a":[1]})"), R"({"a":[1]})");
  EXPECT_EQ(merged(R"(["a","b"])", R"(["c","d"])"), R"(["c","d"])");
  EXPECT_EQ(merged(R"({"a":"b"})", R"(["c"])"), R"(["c"])");
  EXPECT_EQ(merged(R"({"a":"foo"})", R"(null)"), R"(null)");
  EXPECT_EQ(merged(R"({"e":null})", R"({"a":1})"), R"({"e":null,"a":1})");
  EXPECT_EQ(merged(R"([1,2])", R"({"a":"b","c":null})"), R"({"a":"b"})");
  EXPECT_EQ(merged(R"({})", R"({"a":{"bb":{"ccc":null}}})"), R"({"a":{"bb":{}}})");
}

TEST(MergePatch, KeepsTheOrderOfWhatIsLeft) {
  EXPECT_EQ(merged(R"({"a":1,"b":2,"c":3,"d":4})", R"({"b":null})"), R"({"a":1,"c":3,"d":4})");
}

}  // namespace
}  // namespace vmline::vmm
