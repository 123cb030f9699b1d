// SPDX-License-Identifier: Apache-2.0
// The index's records there and back, torn at every byte, damaged at every bit, and from later versions.
#include "line/index_format.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "base/limits.hpp"
#include "line/crc32c.hpp"

namespace vmline::line {
namespace {

Time at(std::int64_t nanoseconds) { return Time(std::chrono::nanoseconds(nanoseconds)); }

std::vector<Record> one_of_each() {
  return {Boot{3, 1000, 990, at(5), "guest reboot"}, Gap{{7, 19}, at(-1), "the disk was full"}, line::Run{10, 5, 20, 77, at(9)},
          End{123456789012, at(6)}, Ceiling{1ull << 40}};
}

std::string encoded(const std::vector<Record>& records) {
  std::string bytes;
  for (const auto& record : records) bytes += encode_record(record);
  return bytes;
}

struct Outcome {
  Parsed parsed;
  std::vector<Record> records;
};
Outcome parse(std::string_view bytes) {
  Outcome outcome;
  outcome.parsed = parse_records(std::as_bytes(std::span(bytes)), [&](Record record) { outcome.records.push_back(std::move(record)); });
  return outcome;
}

TEST(IndexFormat, WhatGoesInComesOut) {
  auto bytes = encoded(one_of_each());
  auto outcome = parse(bytes);
  EXPECT_EQ(outcome.records, one_of_each());
  EXPECT_EQ(outcome.parsed.valid, bytes.size());
  EXPECT_FALSE(outcome.parsed.damaged);
}

TEST(IndexFormat, ATailTornAnywhereLosesOnlyTheTornRecord) {
  auto bytes = encoded(one_of_each());
  std::vector<std::size_t> ends{0};
  for (const auto& record : one_of_each()) ends.push_back(ends.back() + encode_record(record).size());
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    auto outcome = parse(std::string_view(bytes).substr(0, cut));
    std::size_t whole = 0;
    while (whole + 1 < ends.size() && ends[whole + 1] <= cut) ++whole;
    ASSERT_EQ(outcome.records.size(), whole) << cut;
    ASSERT_EQ(outcome.parsed.valid, ends[whole]) << cut;
    ASSERT_FALSE(outcome.parsed.damaged);
  }
}

TEST(IndexFormat, AFlippedBitAnywhereEndsWhatIsValid) {
  auto bytes = encoded(one_of_each());
  auto first = encode_record(one_of_each()[0]).size();
  for (std::size_t bit = 0; bit < first * 8; ++bit) {
    auto bad = bytes;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    auto outcome = parse(bad);
    ASSERT_EQ(outcome.parsed.valid, 0u) << bit;
    ASSERT_TRUE(outcome.records.empty()) << bit;
  }
}

TEST(IndexFormat, ZerosThatAFileSystemLeftAfterAPowerLossAreDamage) {
  auto bytes = encoded(one_of_each());
  auto outcome = parse(bytes + std::string(64, '\0'));
  EXPECT_EQ(outcome.records.size(), 5u);
  EXPECT_EQ(outcome.parsed.valid, bytes.size());
  EXPECT_TRUE(outcome.parsed.damaged);
}

std::string raw_record(std::uint16_t type, std::string_view payload) {
  std::string body;
  auto size = static_cast<std::uint16_t>(8 + payload.size());
  for (std::uint16_t value : {size, type}) {
    body.push_back(static_cast<char>(value & 0xff));
    body.push_back(static_cast<char>(value >> 8));
  }
  body += payload;
  std::uint32_t crc = crc32c(std::as_bytes(std::span(body)));
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(crc >> (8 * i)));
  return bytes + body;
}

TEST(IndexFormat, SkipsTypesOfLaterVersionsAndWhatTheyAddToKnownOnes) {
  std::string ceiling_payload = encode_record(Ceiling{42}).substr(8) + "more";
  auto bytes = raw_record(999, "from the future") + raw_record(5, ceiling_payload) + encode_record(End{1, at(2)});
  auto outcome = parse(bytes);
  EXPECT_EQ(outcome.records, (std::vector<Record>{Ceiling{42}, End{1, at(2)}}));
  EXPECT_EQ(outcome.parsed.valid, bytes.size());
}

TEST(IndexFormat, SkipsRecordsThatMakeNoSense) {
  auto bytes = raw_record(5, "short") + raw_record(5, std::string(8, '\xff')) + encode_record(Gap{{9, 3}, at(0), ""}) +
               encode_record(line::Run{1, 2, 0, 0, at(0)});
  auto outcome = parse(bytes);
  EXPECT_TRUE(outcome.records.empty());
  EXPECT_EQ(outcome.parsed.valid, bytes.size());
}

TEST(IndexFormat, CutsACauseThatIsTooLongForARecord) {
  auto bytes = encode_record(Gap{{1, 2}, at(3), std::string(100000, 'x')});
  EXPECT_EQ(bytes.size(), limits::index_record);
  EXPECT_EQ(parse(bytes).records.size(), 1u);
}

TEST(IndexFormat, KnowsItsHeaderAndRefusesAnother) {
  auto header = index_header();
  ASSERT_EQ(header.size(), index_header_size);
  auto check = [](std::string_view bytes) { return check_index_header(std::as_bytes(std::span(bytes))); };
  EXPECT_TRUE(check(header));
  EXPECT_FALSE(check(header.substr(0, 31)));
  EXPECT_FALSE(check(std::string(32, 'x')));
  auto damaged = header;
  damaged[20] ^= 1;
  EXPECT_FALSE(check(damaged));
  // Another major version is told apart from damage: it must not be thrown away.
  auto later = header;
  later[16] = 2;
  std::uint32_t crc = crc32c(std::as_bytes(std::span(later)).first(28));
  for (int i = 0; i < 4; ++i) later[static_cast<std::size_t>(28 + i)] = static_cast<char>(crc >> (8 * i));
  ASSERT_FALSE(check(later));
  EXPECT_EQ(check(later).error().kind(), ErrorKind::conflict);
}

}  // namespace
}  // namespace vmline::line
