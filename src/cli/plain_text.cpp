// SPDX-License-Identifier: Apache-2.0
// A guest's output as plain text; see plain_text.hpp.
#include "cli/plain_text.hpp"

namespace vmline::cli {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD

std::size_t size_of_character(unsigned char lead) {
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}

/// The second byte decides about overlong forms, surrogates and what lies beyond U+10FFFF.
bool continues(const std::string& character, unsigned char c) {
  if (c < 0x80 || c > 0xbf) return false;
  if (character.size() > 1) return true;
  switch (static_cast<unsigned char>(character[0])) {
    case 0xe0: return c >= 0xa0;
    case 0xed: return c < 0xa0;
    case 0xf0: return c >= 0x90;
    case 0xf4: return c < 0x90;
    default: return true;
  }
}

}  // namespace

void PlainText::feed(std::string_view data, std::string& out) {
  for (char byte : data) {
    unsigned char c = static_cast<unsigned char>(byte);
    switch (state_) {
      case State::text: text(c, out); break;
      case State::escape:
        if (c == '[')
          state_ = State::sequence;
        else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_')
          begin_string();
        else if (c >= 0x30 && c < 0x7f)
          state_ = State::text;
        else if (c < 0x20 || c >= 0x7f)
          state_ = State::text, text(c, out);
        break;
      case State::sequence:
        if (c >= 0x40 && c < 0x7f)
          state_ = State::text;
        else if (c < 0x20 || c >= 0x7f)
          state_ = State::text, text(c, out);
        break;
      case State::string_escape:
        state_ = State::escape;
        if (c == '\\')
          state_ = State::text;
        else
          feed({&byte, 1}, out);
        break;
      case State::string:
        if (c == 0x1b)
          state_ = State::string_escape;
        else if (c == 0x07 || c == 0x18 || c == 0x1a || (c == 0x9c && previous_ == 0xc2))
          state_ = State::text;
        else if (c == '\n' || ++string_length_ > longest_string)
          state_ = State::text, text(c, out);
        previous_ = c;
        break;
    }
  }
}

void PlainText::text(unsigned char c, std::string& out) {
  if (!character_.empty()) {
    if (continues(character_, c)) {
      character_ += static_cast<char>(c);
      if (character_.size() < character_size_) return;
      if (character_size_ == 2 && static_cast<unsigned char>(character_[0]) == 0xc2 && c < 0xa0)
        control(c, out);
      else
        out += character_;
      character_.clear();
      return;
    }
    character_.clear();
    out += replacement;
  }
  if (carriage_return_ && c != '\r') {
    carriage_return_ = false;
    out += '\n';
    if (c == '\n') return;
  }
  if (c >= 0x20 && c < 0x7f) {
    out += static_cast<char>(c);
  } else if (c < 0x80) {
    control(c, out);
  } else if ((character_size_ = size_of_character(c)) != 0) {
    character_ = static_cast<char>(c);
  } else {
    out += replacement;
  }
}

void PlainText::control(char32_t c, std::string& out) {
  switch (c) {
    case '\n':
    case '\t': out += static_cast<char>(c); break;
    case '\r': carriage_return_ = true; break;
    case '\0': break;
    case 0x1b: state_ = State::escape; break;
    case 0x9b: state_ = State::sequence; break;
    case 0x90:
    case 0x98:
    case 0x9d:
    case 0x9e:
    case 0x9f: begin_string(); break;
    case 0x7f: out += "^?"; break;
    default:
      if (c < 0x20) out += {'^', static_cast<char>(c + '@')};
      break;
  }
}

}  // namespace vmline::cli
