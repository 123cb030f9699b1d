// SPDX-License-Identifier: Apache-2.0
// What an attached user sees of replay, live bytes and notices.
#include "cli/screen.hpp"

#include <gtest/gtest.h>

namespace vmline::cli {
namespace {

TEST(Screen, AReplayAsksTheTerminalNothingAndTheLiveLineMay) {
  Screen screen(Screen::Kind::terminal, Screen::Beginning::whole);
  EXPECT_EQ(screen.show("a\x1b[6nb\n"), "ab\n");
  EXPECT_EQ(screen.end_replay(), "");
  EXPECT_EQ(screen.show("c\x1b[6n"), "c\x1b[6n");
}

TEST(Screen, AReplayBeginsAtALine) {
  Screen screen(Screen::Kind::terminal, Screen::Beginning::at_a_line);
  EXPECT_EQ(screen.show("31mleft "), "");
  EXPECT_EQ(screen.show("over\r\nwhole\r\n"), "whole\r\n");
}

TEST(Screen, AReplayThatBeginsWithABootLosesNothing) {
  Screen screen(Screen::Kind::terminal, Screen::Beginning::at_a_line);
  (void)screen.tell("web1/serial0");
  EXPECT_EQ(screen.show("left over"), "");
  screen.begin_line();
  (void)screen.tell("boot 2");
  EXPECT_EQ(screen.show("SeaBIOS\r\n"), "SeaBIOS\r\n");
}

TEST(Screen, AReplayWithoutALineIsShownAllTheSame) {
  Screen shortly(Screen::Kind::terminal, Screen::Beginning::at_a_line);
  EXPECT_EQ(shortly.show("prompt> "), "");
  EXPECT_EQ(shortly.end_replay(), "prompt> ");
  Screen lengthy(Screen::Kind::terminal, Screen::Beginning::at_a_line);
  std::string data(Screen::longest_beginning, 'x');
  EXPECT_EQ(lengthy.show(data), data);
}

TEST(Screen, ANoticeHasALineOfItsOwn) {
  Screen screen(Screen::Kind::terminal, Screen::Beginning::whole);
  EXPECT_EQ(screen.tell("boot 1"), "\r\x1b[0;2m── boot 1 ──\x1b[0m\r\n");
  (void)screen.show("login: ");
  EXPECT_EQ(screen.tell("boot 2"), "\r\n\x1b[0;2m── boot 2 ──\x1b[0m\r\n");
}

TEST(Screen, AStreamIsTheGuestsBytesAlone) {
  Screen screen(Screen::Kind::stream, Screen::Beginning::at_a_line);
  EXPECT_EQ(screen.show("\x1b[6nhalf"), "\x1b[6nhalf");
  EXPECT_EQ(screen.tell("boot 2"), "");
  EXPECT_EQ(screen.end_replay(), "");
  EXPECT_EQ(screen.leave(), "");
}

}  // namespace
}  // namespace vmline::cli
