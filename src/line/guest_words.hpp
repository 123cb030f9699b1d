// SPDX-License-Identifier: Apache-2.0
// Finds what a guest says of itself as its bytes pass, in whatever pieces they come: that it is ready and at which address, a panic, an
// emergency shell, a login prompt, and what the user has asked for. Pure.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"

namespace re2 {
class RE2;
}

namespace vmline::line {

/// Looked for in each line of text that the guest sends: a piece of text, or a regular expression (RE2).
struct WordRule {
  std::string name;
  std::string literal;
  std::string regex;  ///< where there is no literal
};

struct WordMatch {
  std::string rule;     ///< "ready", "panic", "emergency", "login" or the user's
  Offset offset = 0;    ///< of the first byte that matches
  std::string text;     ///< the line, printable and cut to some length
  std::string address;  ///< of "ready": what stands behind the marker
};

class GuestWords {
 public:
  /// `ready_marker`: an IP address up to white space follows it, or it is none; empty: nobody is waited for. The built-in rules come with
  /// it.
  static Result<GuestWords> create(std::string_view ready_marker, std::vector<WordRule> rules);
  GuestWords(GuestWords&&) noexcept;
  GuestWords& operator=(GuestWords&&) noexcept;
  ~GuestWords();

  /// The bytes from offset `at` on, which is where the last call's ended (or anything at all, as if a line began there). Each rule matches
  /// once in a line; one that has not ended yet is looked at as well: a prompt never ends.
  void feed(Offset at, std::string_view bytes, std::vector<WordMatch>& found);
  /// Where the line under way began: what another instance is to be fed from to go on as this one.
  [[nodiscard]] Offset resume_at() const { return line_begin_; }

 private:
  struct Rule {
    WordRule words;
    std::unique_ptr<re2::RE2> regex;  ///< null: the literal
  };
  GuestWords() = default;
  void look_at_lines(std::string_view whole, Offset at, std::vector<WordMatch>& found);
  void look_at_line(std::string_view line, Offset at, bool ended, std::vector<WordMatch>& found);
  [[nodiscard]] std::optional<std::size_t> match(const Rule& rule, std::string_view line) const;
  void find_ready(std::string_view line, Offset at, bool ended, std::vector<WordMatch>& found);
  void begin_line(Offset at);

  std::string ready_;
  std::vector<Rule> rules_;
  std::unique_ptr<re2::RE2> any_;  ///< every rule at once: what it does not find in a block, none does
  std::string line_;               ///< what has come of the line under way
  Offset line_begin_ = 0;
  std::size_t looked_at_ = 0;  ///< bytes of it
  std::vector<bool> told_;     ///< of this line, by rule; the last one is "ready"
};

}  // namespace vmline::line
