// SPDX-License-Identifier: Apache-2.0
// The table of commands: what is taken, what is told of mistakes, and that completion has all of it.
#include "cli/command_line.hpp"

#include <gtest/gtest.h>

#include "cli/completion.hpp"

namespace vmline::cli {
namespace {

/// Whether it parses to a command; else the text or the error.
std::string parse(CommandLine& table, std::vector<const char*> words) {
  words.insert(words.begin(), "vmline");
  auto parsed = table.parse(static_cast<int>(words.size()), words.data());
  if (!parsed) {
    EXPECT_EQ(parsed.error().kind(), ErrorKind::usage);
    return parsed.error().sentence();
  }
  return parsed->action ? "a command" : parsed->text;
}
std::string parse(std::vector<const char*> words) {
  CommandLine table;
  return parse(table, std::move(words));
}

TEST(CommandLine, TakesWhatTheHelpShows) {
  EXPECT_EQ(parse({"run", "web1", "--kernel", "k", "--disk", "a", "--disk", "b,readonly", "--monitor-arg", "-x", "--json"}), "a command");
  EXPECT_EQ(parse({"run", "--kernel", "k"}), "a command");
  EXPECT_EQ(parse({"logs", "web1", "--boot", "-1"}), "a command");
  EXPECT_EQ(parse({"attach", "web1/serial0", "--from", "-4096", "--escape", "^A", "--wait", "500ms"}), "a command");
  EXPECT_EQ(parse({"wait", "web1", "--for", "line:a b", "--timeout", "10s"}), "a command");
}

TEST(CommandLine, RootStandsBeforeOrBehindTheCommand) {
  CommandLine before;
  EXPECT_EQ(parse(before, {"--root", "/r", "ps"}), "a command");
  EXPECT_EQ(before.root(), "/r");
  CommandLine behind;
  EXPECT_EQ(parse(behind, {"ps", "--root", "/r"}), "a command");
  EXPECT_EQ(behind.root(), "/r");
}

TEST(CommandLine, WhatStandsBehindDashesIsLeftAlone) {
  CommandLine table;
  EXPECT_EQ(parse(table, {"keep", "job", "--pty", "--", "sh", "-c", "--root", "--"}), "a command");
  EXPECT_EQ(table.behind_dashes(), (std::vector<std::string>{"sh", "-c", "--root", "--"}));
  EXPECT_EQ(parse({"ps", "--", "x"}), "`vmline ps` takes nothing behind --");
}

TEST(CommandLine, AMistakeIsOneSentenceThatSaysWhereToLook) {
  EXPECT_EQ(parse({"foo"}), "there is no command 'foo'; see `vmline --help`");
  EXPECT_EQ(parse({}), "give a command, such as run, ps or attach; see `vmline --help`");
  EXPECT_EQ(parse({"stop"}), "NAME is required; see `vmline stop --help`");
  EXPECT_EQ(parse({"attach", "x", "--read-only", "--take"}), "--read-only excludes --take; see `vmline attach --help`");
  EXPECT_EQ(parse({"wait", "x", "--for", "sunday"}),
            "--for: 'sunday' is none of running, ready, stopped, line:REGEX; see `vmline wait --help`");
}

TEST(CommandLine, HelpAndVersionAreTexts) {
  EXPECT_TRUE(parse({"--version"}).starts_with("vmline "));
  EXPECT_NE(parse({"run", "--help"}).find("--initramfs"), std::string::npos);
}

TEST(CommandLine, CompletionKnowsEveryCommandAndOption) {
  CommandLine table;
  for (const std::string& script : {bash_completion(table.app()), zsh_completion(table.app()), fish_completion(table.app())}) {
    for (const CLI::App* command : table.app().get_subcommands(nullptr)) {
      EXPECT_NE(script.find(command->get_name()), std::string::npos) << command->get_name();
      for (const CLI::Option* option : command->get_options()) {
        for (const std::string& name : option->get_lnames()) EXPECT_NE(script.find(name), std::string::npos) << name;
      }
    }
  }
}

}  // namespace
}  // namespace vmline::cli
