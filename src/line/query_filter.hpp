// SPDX-License-Identifier: Apache-2.0
// Takes out of a replay what a terminal would answer (who are you, where is the cursor, what is your title, …): the answer would be typed
// into the guest long after it asked. Everything else passes byte for byte. Pure and streaming: sequences may be cut anywhere.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vmline::line {

/// The terminal is taken to speak UTF-8. C1 controls count in their two-byte form; CSI and DECID also as the single bytes 0x9b and 0x9a
/// where these are no part of a character (the other single bytes would open a string that never ends in many a binary).
class QueryFilter {
 public:
  /// Bytes of a sequence that is held back until its end shows what it is. A longer one is taken out, unless it is of a kind that carries
  /// much and asks nothing.
  static constexpr std::size_t longest_sequence = 4096;

  /// Appends to `out` what may be shown. An unfinished sequence is held back until it is complete.
  void feed(std::string_view data, std::string& out);

  /// From here on the line is live: the sequence that is under way is still judged when it ends, then everything passes.
  void go_live() { live_ = true; }

 private:
  enum class State : std::uint8_t { ground, character, escape, csi, string, string_escape };
  enum class StringKind : std::uint8_t { osc, dcs, apc, other };
  enum class Fate : std::uint8_t { undecided, passes, dropped };

  void ground(unsigned char c, std::string& out);
  void control_one(unsigned char c, std::string& out);
  void escape(unsigned char c, std::string& out);
  void csi(unsigned char c, std::string& out);
  void string(unsigned char c, std::string& out);
  void begin_csi();
  void begin_string(StringKind kind, std::string& out);
  void judge_string_so_far(std::string& out);
  void judge_graphics();
  void end_string(std::string& out);
  /// The sequence is over: what was held is shown, or its embedded controls alone (a terminal obeys those at once).
  void show(std::string& out);
  void drop(std::string& out);

  bool live_ = false;
  State state_ = State::ground;
  StringKind kind_ = StringKind::other;
  Fate fate_ = Fate::passes;
  bool graphics_dropped_ = false;  ///< the kitty image whose further pieces may come was taken out
  bool lone_lead_ = false;         ///< the last byte shown is a 0xC2 that no second byte followed
  std::uint8_t continuation_ = 0;  ///< bytes still to come of a UTF-8 character
  unsigned char previous_ = 0;     ///< of a string, to know the two-byte ST
  std::string held_;               ///< the sequence so far, as it came
  std::string body_;               ///< its content: no introducer, no embedded controls
};

}  // namespace vmline::line
