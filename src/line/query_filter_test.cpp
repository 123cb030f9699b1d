// SPDX-License-Identifier: Apache-2.0
// Every query that is known, and what looks like one, cut anywhere.
// Queries are taken out whole however they are cut into pieces, and nothing else is touched.
#include "line/query_filter.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vmline::line {
namespace {

using namespace std::string_literals;

std::string filtered(std::string_view data) {
  QueryFilter filter;
  std::string out;
  filter.feed(data, out);
  return out;
}

/// The same with the data cut in two at every place, and byte by byte.
void expect_at_every_cut(std::string_view data, std::string_view expected) {
  for (std::size_t cut = 0; cut <= data.size(); ++cut) {
    QueryFilter filter;
    std::string out;
    filter.feed(data.substr(0, cut), out);
    filter.feed(data.substr(cut), out);
    EXPECT_EQ(out, expected) << testing::PrintToString(data) << " cut at " << cut;
  }
  QueryFilter filter;
  std::string out;
  for (char c : data) filter.feed({&c, 1}, out);
  EXPECT_EQ(out, expected) << testing::PrintToString(data) << " byte by byte";
}

const std::vector<std::string> queries = {
    "\x05",
    "\x1bZ",
    "\xc2\x9a",
    "\x9a",  // ENQ, DECID
    "\x1b[c",
    "\x1b[0c",
    "\x1b[>c",
    "\x1b[>0c",
    "\x1b[=c",
    "\233c",
    "\xc2\233c",  // DA1, DA2, DA3
    "\x1b[5n",
    "\x1b[6n",
    "\x1b[?6n",
    "\x1b[?15n",
    "\x1b[?996n",  // DSR, CPR, DECXCPR, printer, colours
    "\x1b[x",
    "\x1b[1x",
    "\x1b[4$p",
    "\x1b[?2026$p",
    "\x1b[>q",
    "\x1b[>0q",
    "\x1b[?u",  // DECREQTPARM, DECRQM, XTVERSION, kitty keys
    "\x1b[14t",
    "\x1b[18t",
    "\x1b[21t",
    "\x1b[020t",
    "\x1b[11;1t",  // window and title reports
    "\x1b[?1;1;0S",
    "\x1b[?4m",
    "\x1b[1$w",
    "\x1b[2$u",
    "\x1b[1;1;1;1;2;2*y",
    "\x1b['|",  // sixel, key modes, DECRQPSR, checksum, locator
    "\x1b[#S",
    "\x1b[#R",
    "\x1b[1;1;2;2#|",
    "\x1b[\"v",
    "\x1b[&u",
    "\x1bP$qm\x1b\\",
    "\x1bP$q\"p\x1b\\",
    "\x1bP+q544e\x1b\\",
    "\x1bP+Q1\x1b\\",
    "\xc2\x90$qr\xc2\x9c",  // DECRQSS, XTGETTCAP, XTGETXRES
    "\x1bPtmux;\x1b\\",     // what stands within goes to the outer terminal
    "\x1b]10;?\a",
    "\x1b]11;?\x1b\\",
    "\x1b]4;1;?\a",
    "\x1b]4;1;rgb:1/2/3;2;?\a",
    "\x1b]011;?\a",  // colours
    "\x1b]52;c;?\a",
    "\x1b]50;?\a",
    "\x1b]22;?pointer\a",
    "\x1b]21;foreground=?\a",
    "\x1b]99;i=1:p=?;\a",
    "\x1b]702;?\a",
    "\x1b]60\a",
    "\x1b]1337;ReportCellSize\a",
    "\x1b]1337;ReportVariable=bmFtZQ==\a",
    "\xc2\23510;?\xc2\x9c",
    "\x1b]10;?\xc2\x9c",
    "\x1b_Ga=q,i=31,s=1,v=1,t=d,f=24;AAAA\x1b\\",
    "\x1b_Gi=3,a=T,f=100;AAAA\x1b\\",  // kitty: asks, or answers OK
};

const std::vector<std::string> harmless = {
    "plain text\r\n",
    "\t\b\a\x0e\x0f",
    "\x1b(B",
    "\x1b#8",
    "\0337\0338",
    "\x1b=",
    "\x1b>",
    "\033c",
    "\x1b %G",
    "\x1b[31m",
    "\x1b[1;5H",
    "\x1b[2J",
    "\x1b[?25l",
    "\x1b[?1049h",
    "\x1b[u",
    "\x1b[>1u",
    "\x1b[<u",
    "\x1b[=1u",
    "\x1b[>4;1m",
    "\x1b[>4n",
    "\x1b[8;24;80t",
    "\x1b[22;0t",
    "\x1b[1;2;3;4$x",
    "\x1b[!p",
    "\x1b[\"q",
    "\x1b[2 q",
    "\x1b[?6c",
    "\x1b[3S",
    "\x1b[38:2::1:2:3m",
    "\x1b[[A",
    "\x1b]0;a title? yes;really\a",
    "\x1b]2;t\x1b\\",
    "\x1b]8;;http://x/?q=?\x1b\\",
    "\x1b]52;c;aGVsbG8=\a",
    "\x1b]10;#fff\a",
    "\x1b]104\a",
    "\x1b]133;A\a",
    "\x1b]1337;File=inline=1:AAAA\a",
    "\x1b]R",
    "\x1b]P0ffffff",
    "\x1bPq#0;2;0;0;0\x1b\\",
    "\x1bP=1s\x1b\\",
    "\x1b_Gq=2,a=T,i=3;AAAA\x1b\\",
    "\x1b_hello\x1b\\",
    "\x1b^private\x1b\\",
    "\x1bXsos\x1b\\",
    "\xc2\x85",
    "\xc2\xa9",
    "\xe2\x94\x80\xe2\x9b\x84",
    "\xf0\x9f\x9b\x9a",
    "\xc3\233c",
    "\xc5\x9a",
    "\xff\xfe\x80\x81\x90\x9d",
};

TEST(QueryFilter, TakesOutEveryQueryWhereverItIsCut) {
  for (const std::string& query : queries) expect_at_every_cut("a" + query + "z", "az");
}

TEST(QueryFilter, EverythingElsePassesUntouchedWhereverItIsCut) {
  for (const std::string& text : harmless) expect_at_every_cut("a" + text + "z", "a" + text + "z");
}

TEST(QueryFilter, SequencesInARowAreJudgedEachForItself) {
  std::string all;
  std::string expected;
  for (std::size_t i = 0; i < queries.size() || i < harmless.size(); ++i) {
    if (i < harmless.size()) all += harmless[i] + " ", expected += harmless[i] + " ";
    if (i < queries.size()) all += queries[i];
  }
  expect_at_every_cut(all, expected);
}

TEST(QueryFilter, ControlsInsideAQueryAreStillObeyed) {
  expect_at_every_cut("a\x1b[\n\r0\bc\x1b[\005cz", "a\n\r\bz");
  expect_at_every_cut("a\x1b[3\0051mz", "a\x1b[31mz");
}

TEST(QueryFilter, ASequenceBrokenOffIsNone) {
  expect_at_every_cut("\x1b[\030c", "\x1b[\030c");
  expect_at_every_cut("\x1b[\x1b[31m", "\x1b[31m");
  expect_at_every_cut("\x1b[\x1b[c!", "!");
  expect_at_every_cut("\x1b]10;?\x18z", "\x18z");
  expect_at_every_cut("\x1b]10;?\x1b[cz", "z");
  expect_at_every_cut("\x1bPq#0\x1b[cz", "\x1bPq#0z");  // terminals leave a string at any ESC; so the query in it counts
}

TEST(QueryFilter, WhatIsLeftNeverJoinsIntoAQuery) {
  for (const std::string& query : queries) {
    std::string left = filtered("\xc2" + query + "\23510;?\a");
    EXPECT_EQ(filtered(left), left) << testing::PrintToString(query);
    EXPECT_EQ(left.find("\xc2\x9d"), std::string::npos) << testing::PrintToString(query);
  }
}

TEST(QueryFilter, AnEndlessSequenceCostsNoMoreThanItsLimit) {
  std::string zeros(QueryFilter::longest_sequence * 3, '0');
  EXPECT_EQ(filtered("\x1b[" + zeros + "c!"), "!");
  EXPECT_EQ(filtered("\x1b[" + zeros + "\nc!"), "\n!");
  EXPECT_EQ(filtered("\x1b]10;" + zeros + ";?\a!"), "!");
  EXPECT_EQ(filtered("\x1bP" + zeros + "$qm\x1b\\!"), "!");
  EXPECT_EQ(filtered("\x1b_G" + zeros + ";a=q\x1b\\!"), "!");
}

TEST(QueryFilter, LongImagesTitlesAndLinksPass) {
  std::string much(QueryFilter::longest_sequence * 3, 'A');
  for (const std::string& text : std::vector<std::string>{"\x1b]1337;File=:" + much + "\a!", "\x1bPq" + much + "\x1b\\!",
                                                          "\x1b_Ga=T;" + much + "\x1b\\!", "\x1b]0;" + much + "\a!"}) {
    EXPECT_EQ(filtered(text), text);
  }
}

TEST(QueryFilter, PiecesOfAnImageShareItsFate) {
  EXPECT_EQ(filtered("\x1b_Gi=1,m=1;AA\x1b\\"
                     "\x1b_Gm=1;BB\x1b\\"
                     "\x1b_Gm=0;CC\x1b\\!"),
            "!");
  std::string quiet =
      "\x1b_Gi=1,q=2,m=1;AA\x1b\\"
      "\x1b_Gm=0;CC\x1b\\!";
  EXPECT_EQ(filtered(quiet), quiet);
}

TEST(QueryFilter, LiveBytesPassOnceTheSequenceUnderWayIsOver) {
  QueryFilter filter;
  std::string out;
  filter.feed("a\x1b[", out);
  filter.go_live();
  filter.feed("c\x1b[c", out);
  EXPECT_EQ(out, "a\x1b[c");

  QueryFilter other;
  out.clear();
  other.feed("a\xc2", out);
  other.go_live();
  other.feed("\xa9\x1b[6n", out);
  EXPECT_EQ(out, "a\xc2\xa9\x1b[6n");
}

}  // namespace
}  // namespace vmline::line
