// SPDX-License-Identifier: Apache-2.0
// A guest's output as plain text: no control sequence gets through to whoever reads it. For `logs` on a terminal and for matching lines.
// Pure and streaming: everything may be cut anywhere.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace vmline::cli {

/// Control sequences and strings vanish; \n and \t stay; any run of \r is a line's end (with the \n behind it, if there is one); other
/// controls become ^X; what is no UTF-8 becomes U+FFFD.
class PlainText {
 public:
  /// Longest control string that is taken for one: a guest that opens one and never ends it would be silent for ever.
  static constexpr std::size_t longest_string = 4096;

  void feed(std::string_view data, std::string& out);

 private:
  enum class State : std::uint8_t { text, escape, sequence, string, string_escape };

  void text(unsigned char c, std::string& out);
  void control(char32_t c, std::string& out);
  void begin_string() { state_ = State::string, string_length_ = 0; }

  State state_ = State::text;
  bool carriage_return_ = false;
  std::size_t string_length_ = 0;
  std::string character_;           ///< bytes so far of a UTF-8 character
  std::size_t character_size_ = 0;  ///< how many it will have
  unsigned char previous_ = 0;      ///< of a string, to know the two-byte ST
};

}  // namespace vmline::cli
