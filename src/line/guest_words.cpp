// SPDX-License-Identifier: Apache-2.0
// What a guest says of itself; see guest_words.hpp. A block of whole lines is looked through by one automaton of all rules; only a line in
// which it finds something is looked at rule by rule.
#include "line/guest_words.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

namespace vmline::line {
namespace {

/// Bytes of a line that are looked at in one; a longer one goes on as if a new line began.
constexpr std::size_t longest_line = 4096;
/// Up to this length a line under way is looked at with every byte that comes; then only once it has doubled, so that a guest that never
/// ends its line costs no more than others.
constexpr std::size_t short_line = 256;
constexpr std::size_t text_most = 200;

const WordRule built_in[] = {
    {"panic", "Kernel panic - not syncing", ""},
    {"emergency", "", R"((?i)you are in emergency mode|entering emergency mode|give root password for maintenance|^\(initramfs\) )"},
    // "web1 login: ", but not "Last login: ".
    {"login", "",
     R"(^(?:[^Ll\s]\S* |[Ll](?:[^Aa\s]\S*)? |[Ll][Aa](?:[^Ss\s]\S*)? |[Ll][Aa][Ss](?:[^Tt\s]\S*)? |[Ll][Aa][Ss][Tt]\S+ )?login: )"},
};

std::unique_ptr<RE2> compile(std::string_view pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_encoding(RE2::Options::EncodingLatin1);  // bytes, whatever they mean
  options.set_max_mem(8 << 20);
  return std::make_unique<RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool is_address(std::string_view text) {
  char buffer[sizeof(in6_addr)];
  std::string copy(text);
  return text.size() < 64 && (::inet_pton(AF_INET, copy.c_str(), buffer) == 1 || ::inet_pton(AF_INET6, copy.c_str(), buffer) == 1);
}

/// For people: no control bytes, no end of line, not long.
std::string shown(std::string_view line) {
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  std::string text(line.substr(0, text_most));
  std::ranges::replace_if(text, [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
  return text;
}

}  // namespace

GuestWords::GuestWords(GuestWords&&) noexcept = default;
GuestWords& GuestWords::operator=(GuestWords&&) noexcept = default;
GuestWords::~GuestWords() = default;

Result<GuestWords> GuestWords::create(std::string_view ready_marker, std::vector<WordRule> rules) {
  GuestWords words;
  words.ready_ = ready_marker;
  rules.insert(rules.begin(), std::begin(built_in), std::end(built_in));
  std::string any = ready_marker.empty() ? "" : RE2::QuoteMeta(words.ready_);
  for (WordRule& rule : rules) {
    std::unique_ptr<RE2> regex;
    if (rule.literal.empty()) {
      regex = compile("(?m)(?:" + rule.regex + ")");
      if (!regex->ok()) {
        return fail(fmt::format("match {}: '{}' is no regular expression: {}", rule.name, rule.regex, compile(rule.regex)->error()),
                    ErrorKind::usage);
      }
    }
    any += (any.empty() ? "" : "|") + (regex ? regex->pattern() : RE2::QuoteMeta(rule.literal));
    words.rules_.push_back({std::move(rule), std::move(regex)});
  }
  words.any_ = compile("(?m)(?:" + any + ")");
  if (!words.any_->ok()) return fail("the rules to match are too much together: " + words.any_->error(), ErrorKind::usage);
  words.begin_line(0);
  return words;
}

void GuestWords::begin_line(Offset at) {
  line_.clear();
  line_begin_ = at;
  looked_at_ = 0;
  told_.assign(rules_.size() + 1, false);
}

void GuestWords::feed(Offset at, std::string_view bytes, std::vector<WordMatch>& found) {
  if (at != line_begin_ + line_.size()) begin_line(at);
  while (!bytes.empty()) {
    // The line under way first, up to its end.
    if (!line_.empty()) {
      std::size_t end = bytes.find('\n');
      bool ended = end != std::string_view::npos;
      std::string_view more = bytes.substr(0, std::min(ended ? end + 1 : bytes.size(), longest_line - line_.size()));
      line_ += more;
      bytes.remove_prefix(more.size());
      at += more.size();
      ended = line_.ends_with('\n') || line_.size() >= longest_line;
      bool due = ended || line_.size() <= short_line || line_.size() >= 2 * looked_at_;
      if (due) look_at_line(line_, line_begin_, ended, found);
      looked_at_ = due ? line_.size() : looked_at_;
      if (ended) begin_line(at);
      continue;
    }
    // Then all whole lines at once, and what begins behind them.
    std::size_t last = bytes.rfind('\n');
    std::size_t whole = last == std::string_view::npos ? 0 : last + 1;
    look_at_lines(bytes.substr(0, whole), at, found);
    at += whole;
    bytes.remove_prefix(whole);
    begin_line(at);
    if (bytes.empty()) return;
    line_ = bytes.substr(0, 1);
    ++at;
    bytes.remove_prefix(1);
    if (bytes.empty()) look_at_line(line_, line_begin_, false, found);
  }
}

void GuestWords::look_at_lines(std::string_view whole, Offset at, std::vector<WordMatch>& found) {
  std::size_t from = 0;
  while (from < whole.size()) {
    re2::StringPiece hit;
    if (!any_->Match(re2::StringPiece(whole.data(), whole.size()), from, whole.size(), RE2::UNANCHORED, &hit, 1)) return;
    std::size_t place = static_cast<std::size_t>(hit.data() - whole.data());
    std::size_t begin = place == 0 ? 0 : whole.rfind('\n', place - 1);
    begin = begin == std::string_view::npos ? 0 : (place == 0 ? 0 : begin + 1);
    begin = std::max(begin, from);
    std::size_t end = whole.find('\n', place);
    end = end == std::string_view::npos ? whole.size() : end + 1;
    // One that is too long is looked at in pieces, as it would be if it came slowly.
    for (std::size_t piece = begin; piece < end; piece += longest_line) {
      begin_line(at + piece);
      look_at_line(whole.substr(piece, std::min(longest_line, end - piece)), at + piece, true, found);
    }
    from = end;
  }
}

void GuestWords::look_at_line(std::string_view line, Offset at, bool ended, std::vector<WordMatch>& found) {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (told_[i]) continue;
    auto place = match(rules_[i], line);
    if (!place) continue;
    told_[i] = true;
    found.push_back({rules_[i].words.name, at + *place, shown(line), ""});
  }
  find_ready(line, at, ended, found);
}

std::optional<std::size_t> GuestWords::match(const Rule& rule, std::string_view line) const {
  if (!rule.regex) {
    std::size_t place = line.find(rule.words.literal);
    return place == std::string_view::npos ? std::nullopt : std::optional(place);
  }
  while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  re2::StringPiece hit;
  if (!rule.regex->Match(re2::StringPiece(line.data(), line.size()), 0, line.size(), RE2::UNANCHORED, &hit, 1)) return std::nullopt;
  return static_cast<std::size_t>(hit.data() - line.data());
}

void GuestWords::find_ready(std::string_view line, Offset at, bool ended, std::vector<WordMatch>& found) {
  if (ready_.empty() || told_.back()) return;
  for (std::size_t place = line.find(ready_); place != std::string_view::npos; place = line.find(ready_, place + 1)) {
    std::string_view rest = line.substr(place + ready_.size());
    auto end = std::ranges::find_if(rest, is_space);
    if (end == rest.end() && !ended) return;  // the address may go on
    std::string_view address = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
    if (end == rest.end() || !is_address(address)) continue;
    told_.back() = true;
    found.push_back({"ready", at + place, shown(line), std::string(address)});
    return;
  }
}

}  // namespace vmline::line
