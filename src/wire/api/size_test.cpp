// SPDX-License-Identifier: Apache-2.0
// Claims about sizes, durations and times in text.
#include "wire/api/size.hpp"

#include <gtest/gtest.h>

#include "wire/api/time.hpp"

namespace vmline::api {
namespace {

using std::chrono::milliseconds;

TEST(Size, TakesPowersOf1024) {
  EXPECT_EQ(parse_size("0").value(), 0u);
  EXPECT_EQ(parse_size("1000").value(), 1000u);
  EXPECT_EQ(parse_size("256K").value(), 256u << 10);
  EXPECT_EQ(parse_size("512m").value(), 512u << 20);
  EXPECT_EQ(parse_size("3G").value(), 3ull << 30);
  EXPECT_EQ(parse_size("18446744073709551615").value(), ~0ull);
}

TEST(Size, RefusesWhatIsNoSize) {
  for (const char* text : {"", "K", "-1", "+1", " 1", "1 ", "1KB", "1.5G", "0x10", "18446744073709551616", "16777216T", "1KK"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
  EXPECT_EQ(parse_size("two").error().sentence(), "\"two\" is not a size in bytes such as 65536, 512K, 64M or 2G");
  EXPECT_EQ(parse_size("two").error().kind(), ErrorKind::usage);
  EXPECT_LT(parse_size(std::string(100000, 'x')).error().sentence().size(), 200u);
}

TEST(Size, ReadsBackWhatItWrites) {
  for (std::uint64_t bytes : {0ull, 1ull, 1000ull, 1024ull, 1536ull, 256ull << 10, 1ull << 20, 3ull << 30, 1ull << 40, ~0ull}) {
    EXPECT_EQ(parse_size(format_size(bytes)).value(), bytes) << format_size(bytes);
  }
  EXPECT_EQ(format_size(512u << 20), "512M");
}

TEST(Duration, TakesUnits) {
  EXPECT_EQ(parse_duration("500ms").value(), milliseconds(500));
  EXPECT_EQ(parse_duration("10s").value(), milliseconds(10000));
  EXPECT_EQ(parse_duration("10").value(), milliseconds(10000));
  EXPECT_EQ(parse_duration("2m").value(), milliseconds(120000));
  EXPECT_EQ(parse_duration("1h").value(), milliseconds(3600000));
  for (const char* text : {"", "s", "-1s", "1.5s", "1d", "1 s"}) EXPECT_FALSE(parse_duration(text)) << text;
  EXPECT_EQ(parse_duration("9999h").error().sentence(), "\"9999h\" is longer than 168h");
  EXPECT_FALSE(parse_duration("18446744073709551615h"));
}

TEST(Duration, ReadsBackWhatItWrites) {
  for (int count : {0, 1, 999, 1000, 1500, 60000, 3600000}) {
    EXPECT_EQ(parse_duration(format_duration(milliseconds(count))).value(), milliseconds(count));
  }
}

TEST(TimeText, IsRfc3339WithMicroseconds) {
  EXPECT_EQ(format_time(Time{}), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(format_time(Time(std::chrono::nanoseconds(1767225600123456789))), "2026-01-01T00:00:00.123456Z");
  EXPECT_EQ(format_time(Time(std::chrono::nanoseconds(-1))), "1969-12-31T23:59:59.999999Z");
}

TEST(TimeText, ReadsBackWhatItWrites) {
  Time time(std::chrono::nanoseconds(1767225600123456000));
  EXPECT_EQ(parse_time(format_time(time)).value(), time);
  EXPECT_EQ(parse_time("2026-01-01T00:00:00Z").value(), Time(std::chrono::nanoseconds(1767225600000000000)));
  EXPECT_EQ(parse_time("2026-01-01T00:00:00.5Z").value(), Time(std::chrono::nanoseconds(1767225600500000000)));
  for (const char* text : {"", "2026", "2026-01-01", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z",
                           "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z", "9999-01-01T00:00:00Z",
                           "2026-01-01T00:00:0xZ", "2026-01-01T00:00:00Zx"}) {
    EXPECT_FALSE(parse_time(text)) << text;
  }
}

}  // namespace
}  // namespace vmline::api
