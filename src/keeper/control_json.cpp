// SPDX-License-Identifier: Apache-2.0
// JSON of the control API; see control_json.hpp.
#include "keeper/control_json.hpp"

#include <boost/json/serialize.hpp>
#include <cstdint>

#include "base/check.hpp"
#include "wire/api/time.hpp"

namespace vmline::keeper {
namespace {

/// How many bytes the well-formed sequence at the front has (Unicode 15, table 3-7), or 0.
std::size_t sequence_length(std::string_view text) {
  auto at = [&](std::size_t i) -> unsigned { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
  auto follows = [&](std::size_t i) { return (at(i) & 0xc0) == 0x80; };
  unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    unsigned least = first == 0xe0 ? 0xa0 : 0x80;
    unsigned most = first == 0xed ? 0x9f : 0xbf;
    return at(1) >= least && at(1) <= most && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    unsigned least = first == 0xf0 ? 0x90 : 0x80;
    unsigned most = first == 0xf4 ? 0x8f : 0xbf;
    return at(1) >= least && at(1) <= most && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

struct ItemWriter {
  json::object operator()(const Opened& opened) const {
    return {{"event", "opened"}, {"offset", opened.offset}, {"head", opened.head}, {"boot", opened.boot}};
  }
  json::object operator()(const Bytes&) const { CHECK(false); }
  json::object operator()(const ReplayEnded& ended) const { return {{"event", "replay-ended"}, {"offset", ended.offset}}; }
  json::object operator()(const Gap& gap) const {
    return {{"event", "gap"}, {"begin", gap.range.begin}, {"end", gap.range.end}, {"cause", gap.cause}};
  }
  json::object operator()(const BootBegan& boot) const {
    return {
        {"event", "boot"}, {"boot", boot.number}, {"offset", boot.offset}, {"time", api::format_time(boot.time)}, {"cause", boot.cause}};
  }
  json::object operator()(const WriterChanged& changed) const {
    return {{"event", "writer"}, {"writer", changed.writer}, {"you", changed.you}};
  }
  json::object operator()(const Closing& closing) const { return {{"event", "closing"}, {"reason", closing.reason}}; }
};

}  // namespace

std::string valid_utf8(std::string text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    std::size_t length = sequence_length(rest);
    if (length == 0) break;
    rest.remove_prefix(length);
  }
  if (rest.empty()) return text;
  std::string out(text, 0, text.size() - rest.size());
  while (!rest.empty()) {
    std::size_t length = sequence_length(rest);
    out += length == 0 ? std::string_view("\xef\xbf\xbd") : rest.substr(0, length);
    rest.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string to_text(const json::value& value) { return valid_utf8(json::serialize(value)); }

json::object to_json(const Event& event) {
  json::object object{{"sequence", event.sequence}, {"time", api::format_time(event.time)}, {"type", event.type}};
  for (const auto& field : event.details) object.emplace(field.key(), field.value());
  return object;
}

json::object to_json(const StreamItem& item) { return std::visit(ItemWriter(), item); }

std::string problem(unsigned status, std::string_view title, std::string_view sentence) {
  return to_text(json::object{{"title", title}, {"status", status}, {"detail", sentence}});
}

unsigned status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage: return 400;
    case ErrorKind::not_found: return 404;
    case ErrorKind::timed_out: return 504;
    case ErrorKind::conflict: return 409;
    case ErrorKind::failed: break;
  }
  return 500;
}

}  // namespace vmline::keeper
