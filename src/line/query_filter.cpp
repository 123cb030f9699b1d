// SPDX-License-Identifier: Apache-2.0
// Takes queries out of a replay; see query_filter.hpp. The states are those of the DEC parser (vt100.net/emu/dec_ansi_parser).
#include "line/query_filter.hpp"

#include "line/terminal_queries.hpp"

namespace vmline::line {
namespace {

constexpr unsigned char enq = 0x05, bel = 0x07, can = 0x18, sub = 0x1a, esc = 0x1b;
constexpr unsigned char c1_lead = 0xc2;  ///< U+0080 to U+009F are this and one more byte in UTF-8
constexpr unsigned char c1_csi = 0x9b, c1_decid = 0x9a, c1_dcs = 0x90, c1_sos = 0x98, c1_st = 0x9c, c1_osc = 0x9d, c1_pm = 0x9e,
                        c1_apc = 0x9f;

char as_char(unsigned char c) { return static_cast<char>(c); }

std::uint8_t bytes_after(unsigned char lead) { return lead < 0xc2 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 0; }

}  // namespace

void QueryFilter::feed(std::string_view data, std::string& out) {
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (live_ && state_ == State::ground) {
      out.append(data.substr(i));
      return;
    }
    unsigned char c = static_cast<unsigned char>(data[i]);
    switch (state_) {
      case State::ground: ground(c, out); break;
      case State::character:  // 0xC2 is held
        state_ = State::ground;
        if (c >= 0x80 && c < 0xa0) {
          control_one(c, out);
        } else if (c >= 0xa0 && c < 0xc0) {
          held_ += as_char(c);
          show(out);
        } else {
          show(out);
          lone_lead_ = true;
          ground(c, out);
        }
        break;
      case State::escape: escape(c, out); break;
      case State::csi: csi(c, out); break;
      case State::string:
      case State::string_escape: string(c, out); break;
    }
  }
}

void QueryFilter::ground(unsigned char c, std::string& out) {
  if (c == enq) return;  // the answerback message
  if (c == esc) {
    continuation_ = 0;
    held_ = as_char(c);
    body_.clear();
    state_ = State::escape;
    return;
  }
  if (c >= 0x80 && c < 0xc0 && continuation_ > 0) {
    --continuation_;
    out += as_char(c);
    return;
  }
  continuation_ = 0;
  if (c >= 0x80 && c < 0xc0 && lone_lead_) return;  // what stood between was taken out: these two must not become a control
  if (c == c1_csi) {
    held_ = as_char(c);
    begin_csi();
  } else if (c == c1_lead) {
    held_ = as_char(c);
    state_ = State::character;
  } else if (c != c1_decid) {
    continuation_ = bytes_after(c);
    lone_lead_ = false;
    out += as_char(c);
  }
}

void QueryFilter::control_one(unsigned char c, std::string& out) {
  held_ += as_char(c);
  switch (c) {
    case c1_csi: return begin_csi();
    case c1_osc: return begin_string(StringKind::osc, out);
    case c1_dcs: return begin_string(StringKind::dcs, out);
    case c1_apc: return begin_string(StringKind::apc, out);
    case c1_sos:
    case c1_pm: return begin_string(StringKind::other, out);
    case c1_decid: return drop(out);
    default: return show(out);
  }
}

void QueryFilter::escape(unsigned char c, std::string& out) {
  if (c == enq) return;
  if (c == esc || c >= 0x80) {
    // Broken off: it does nothing, and its beginning must not join with what follows. With a byte above 0x7f terminals differ (some take
    // its lower seven bits), so such a sequence is not let through either.
    drop(out);
    return ground(c, out);
  }
  held_ += as_char(c);
  if (c == can || c == sub) return show(out);
  if (c < 0x20 || c == 0x7f) {
    if (held_.size() > longest_sequence) show(out);
    return;
  }
  if (c < 0x30) {  // an intermediate: ESC ( B, ESC # 8
    body_ += as_char(c);
    if (held_.size() > longest_sequence) drop(out);
    return;
  }
  if (!body_.empty()) return show(out);
  switch (c) {
    case '[': return begin_csi();
    case ']': return begin_string(StringKind::osc, out);
    case 'P': return begin_string(StringKind::dcs, out);
    case '_': return begin_string(StringKind::apc, out);
    case 'X':
    case '^': return begin_string(StringKind::other, out);
    case 'Z': return drop(out);  // DECID
    default: return show(out);
  }
}

void QueryFilter::begin_csi() {
  body_.clear();
  fate_ = Fate::undecided;
  state_ = State::csi;
}

void QueryFilter::csi(unsigned char c, std::string& out) {
  if (c == enq) return;
  if (c == esc || c >= 0x80) {
    drop(out);
    return ground(c, out);
  }
  if (fate_ == Fate::dropped) {  // too long: only its end is awaited, and the controls within it pass
    if (c < 0x20) out += as_char(c);
    if (c == can || c == sub || (c >= 0x40 && c < 0x7f)) drop(out);
    return;
  }
  held_ += as_char(c);
  if (c == can || c == sub) return show(out);
  if (c >= 0x40 && c < 0x7f) return csi_is_query(body_, as_char(c)) ? drop(out) : show(out);
  if (c >= 0x20 && c < 0x40) body_ += as_char(c);
  if (held_.size() > longest_sequence) {
    drop(out);
    state_ = State::csi;
    fate_ = Fate::dropped;
  }
}

void QueryFilter::begin_string(StringKind kind, std::string& out) {
  body_.clear();
  kind_ = kind;
  fate_ = Fate::undecided;
  previous_ = 0;
  state_ = State::string;
  judge_string_so_far(out);
}

void QueryFilter::string(unsigned char c, std::string& out) {
  if (state_ == State::string_escape) {
    if (c == '\\') {
      if (fate_ != Fate::dropped) held_ += as_char(c);
      return end_string(out);
    }
    // Broken off by another sequence. What was still held is no query then, and shows nothing either.
    held_ = as_char(esc);
    body_.clear();
    state_ = State::escape;
    return escape(c, out);
  }
  if (c == esc) {
    if (fate_ == Fate::undecided)
      held_ += as_char(c);
    else
      held_ = as_char(c);
    state_ = State::string_escape;
    return;
  }
  if (c == can || c == sub) {
    held_ = as_char(c);
    return show(out);
  }
  bool two_byte_end = c == c1_st && previous_ == c1_lead;
  bool ended = two_byte_end || (c == bel && kind_ == StringKind::osc);
  previous_ = c;
  if (fate_ == Fate::passes) out += as_char(c);
  if (fate_ == Fate::undecided) {
    held_ += as_char(c);
    if (!ended) body_ += as_char(c);
    if (two_byte_end) body_.pop_back();
  }
  if (ended) return end_string(out);
  if (fate_ == Fate::undecided) judge_string_so_far(out);
}

void QueryFilter::judge_string_so_far(std::string& out) {
  switch (kind_) {
    case StringKind::other: fate_ = Fate::passes; break;
    case StringKind::apc:  // only kitty's graphics ask, and its keys end at the first ';'
      if (!body_.empty() && body_.front() != 'G') fate_ = Fate::passes;
      if (body_.starts_with('G') && body_.ends_with(';')) judge_graphics();
      break;
    case StringKind::dcs:
      if (!body_.empty() && static_cast<unsigned char>(body_.back()) >= 0x40) {
        fate_ = dcs_is_query(std::string_view(body_).substr(0, body_.size() - 1), body_.back()) ? Fate::dropped : Fate::passes;
      }
      break;
    case StringKind::osc:
      // The Linux console's palette sequences have no terminator: ESC ] R, and ESC ] P with seven hexadecimal digits.
      if (body_ == "R" || (body_.size() == 8 && body_.front() == 'P')) return show(out);
      if (body_.size() > longest_sequence && osc_may_be_long(body_)) fate_ = Fate::passes;
      break;
  }
  if (fate_ == Fate::undecided && body_.size() > longest_sequence) fate_ = Fate::dropped;
  if (fate_ == Fate::passes) {
    lone_lead_ = false;
    out += held_;
  }
  if (fate_ != Fate::undecided) held_.clear();
}

void QueryFilter::judge_graphics() {
  std::string_view keys = std::string_view(body_).substr(1);
  GraphicsCommand command = graphics_command(keys.substr(0, keys.find(';')));
  if (command != GraphicsCommand::continued) graphics_dropped_ = command == GraphicsCommand::answered;
  fate_ = graphics_dropped_ ? Fate::dropped : Fate::passes;
}

void QueryFilter::end_string(std::string& out) {
  if (fate_ == Fate::undecided && kind_ == StringKind::osc && osc_is_query(body_)) fate_ = Fate::dropped;
  if (fate_ == Fate::undecided && kind_ == StringKind::apc && body_.starts_with('G')) {
    judge_graphics();
    if (fate_ == Fate::passes) return show(out);
  }
  if (fate_ == Fate::dropped) held_.clear();
  show(out);
}

void QueryFilter::show(std::string& out) {
  if (!held_.empty()) lone_lead_ = false;
  out += held_;
  held_.clear();
  state_ = State::ground;
}

void QueryFilter::drop(std::string& out) {
  for (char c : held_) {
    if (static_cast<unsigned char>(c) < 0x20 && static_cast<unsigned char>(c) != esc) out += c;
  }
  held_.clear();
  state_ = State::ground;
}

}  // namespace vmline::line
