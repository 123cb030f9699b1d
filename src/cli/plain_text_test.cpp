// SPDX-License-Identifier: Apache-2.0
// What is left of a guest's output as plain text, cut anywhere.
#include "cli/plain_text.hpp"

#include <gtest/gtest.h>

namespace vmline::cli {
namespace {

void expect_at_every_cut(std::string_view data, std::string_view expected) {
  for (std::size_t cut = 0; cut <= data.size(); ++cut) {
    PlainText text;
    std::string out;
    text.feed(data.substr(0, cut), out);
    text.feed(data.substr(cut), out);
    EXPECT_EQ(out, expected) << testing::PrintToString(data) << " cut at " << cut;
  }
}

TEST(PlainText, TextAndItsLineEndsStay) {
  expect_at_every_cut("one\ntwo\tthree\n", "one\ntwo\tthree\n");
  expect_at_every_cut("one\r\ntwo\r\r\nthree", "one\ntwo\nthree");
  expect_at_every_cut("10%\r20%\r\n", "10%\n20%\n");
  expect_at_every_cut("\xe2\x94\x80 \xc3\xa9 \xf0\x9f\x98\x80", "\xe2\x94\x80 \xc3\xa9 \xf0\x9f\x98\x80");
}

TEST(PlainText, ControlSequencesVanish) {
  expect_at_every_cut(
      "a\x1b[31;1mb\x1b[0mc\x1b(Bd\x1b"
      "7e",
      "abcde");
  expect_at_every_cut(
      "a\x1b]0;evil\x07"
      "b\x1bPq#0\x1b\\c\x1b_x\x1b\\d\xc2\x9b"
      "2Je\xc2\x9d"
      "0;t\xc2\x9c"
      "f",
      "abcdef");
  expect_at_every_cut("a\x1b]0;t\x1b[31mb", "ab");
}

TEST(PlainText, OtherControlsAreShownNotObeyed) { expect_at_every_cut("a\x07\x08\x7f\x05", "a^G^H^?^E"); }

TEST(PlainText, WhatIsNoUtf8IsReplaced) {
  expect_at_every_cut(
      "a\xff"
      "b\xe2\x94"
      "c\x80"
      "d\xed\xa0\x80",
      "a\xef\xbf\xbd"
      "b\xef\xbf\xbd"
      "c\xef\xbf\xbd"
      "d\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(PlainText, AStringThatNeverEndsHidesNoMoreThanItsLimit) {
  expect_at_every_cut("\x1b]0;open\nnext line", "\nnext line");
  PlainText text;
  std::string out;
  text.feed("\x1b]" + std::string(PlainText::longest_string, 'x') + "seen", out);
  EXPECT_EQ(out, "seen");
}

}  // namespace
}  // namespace vmline::cli
