// SPDX-License-Identifier: Apache-2.0
// A stopped VM's line, read from its journal; see history_reader.hpp.
#include "cli/history_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/limits.hpp"
#include "os/files.hpp"
#include "wire/api/spec_json.hpp"
#include "wire/api/time.hpp"

namespace vmline::cli {
namespace {

template <class Number>
std::optional<Number> whole(std::string_view text) {
  Number value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

Result<Range> find_boot(const std::vector<BootPlace>& boots, std::int64_t number, Offset end, const std::string& title) {
  std::size_t index = boots.size();
  if (number < 0) {
    if (static_cast<std::uint64_t>(-number) <= boots.size()) index = boots.size() - static_cast<std::uint64_t>(-number);
  } else {
    index = static_cast<std::size_t>(std::ranges::find(boots, static_cast<std::uint64_t>(number), &BootPlace::number) - boots.begin());
  }
  if (index >= boots.size()) {
    std::string known = boots.empty() ? "none is known" : fmt::format("known are {} to {}", boots.front().number, boots.back().number);
    return fail(fmt::format("{}: there is no boot {}; {}", title, number, known), ErrorKind::not_found);
  }
  return Range{boots[index].offset_low, index + 1 < boots.size() ? boots[index + 1].offset : end};
}

Result<HistoryReader> HistoryReader::open(const os::Places& places, const std::string& name, const std::string& line) {
  TRY_ASSIGN(std::string text, os::read_file(places.vm_dir(name) + "/spec.json", limits::spec_file));
  TRY_ASSIGN(api::Spec spec, api::parse_spec(text));
  auto found = line.empty() ? spec.lines.begin() : std::ranges::find(spec.lines, line, &api::LineSpec::name);
  if (found == spec.lines.end()) return fail(fmt::format("{} has no line {}", name, line), ErrorKind::not_found);
  std::string title = name + "/" + found->name;
  if (!found->journal) return fail(fmt::format("{} keeps no journal, and {} is stopped: nothing is left of it", title, name));
  std::string base = places.vm_dir(name) + "/lines/" + found->name;
  TRY_ASSIGN(os::JournalReader journal, os::JournalReader::open(found->log.value_or(base + ".log"), base + ".idx"));
  return HistoryReader(std::move(journal), std::move(title));
}

Result<Range> HistoryReader::boot(std::int64_t number) const {
  std::vector<BootPlace> boots;
  for (const line::Boot& boot : journal_.boots()) boots.push_back({boot.number, boot.offset, boot.offset_low});
  return find_boot(boots, number, end(), title_);
}

Result<Offset> HistoryReader::resolve(const std::string& from) const {
  if (from == "start") return journal_.first_kept();
  if (from == "tail") return end();
  std::string_view text = from;
  if (text.starts_with("boot:")) {
    if (auto number = whole<std::int64_t>(text.substr(5))) {
      TRY_ASSIGN(Range range, boot(*number));
      return range.begin;
    }
  } else if (text.starts_with('-')) {
    if (auto back = whole<std::uint64_t>(text.substr(1))) return end() - std::min(*back, end() - std::min(end(), journal_.first_kept()));
  } else if (auto offset = whole<std::uint64_t>(text)) {
    return *offset;
  }
  return fail(fmt::format("'{}' is no place on a line: give an offset, -BYTES, start, tail, boot:N or boot:-1", from), ErrorKind::usage);
}

Result<> HistoryReader::read(Range range, const std::function<bool(const LineMessage&)>& take) const {
  std::vector<std::byte> buffer(256 << 10);
  Offset at = range.begin;
  auto boot = std::ranges::lower_bound(journal_.boots(), at, {}, &line::Boot::offset);
  auto loss = std::ranges::lower_bound(journal_.losses(), at, {}, [](const line::Gap& one) { return one.range.begin; });
  while (true) {
    for (; loss != journal_.losses().end() && loss->range.begin <= at; ++loss) {
      if (!take(LineGap{loss->range, loss->cause})) return {};
    }
    if (at >= range.end) return {};
    for (; boot != journal_.boots().end() && boot->offset <= at; ++boot) {
      if (!take(LineBoot{boot->number, boot->offset, api::format_time(boot->time), boot->cause})) return {};
    }
    Offset stop = boot == journal_.boots().end() ? range.end : std::min(range.end, boot->offset);
    if (loss != journal_.losses().end()) stop = std::min(stop, loss->range.begin);
    std::size_t length = std::min<std::uint64_t>(buffer.size(), stop - at);
    TRY_ASSIGN(os::ReadResult result, journal_.read(at, std::span(buffer).first(length)));
    if (std::holds_alternative<line::NotYet>(result)) return {};
    LineMessage message;
    if (const auto* lost = std::get_if<line::Lost>(&result)) {
      Offset end = std::min(lost->range.end, range.end);
      message = LineGap{{at, end}, lost->cause};
      at = end;
    } else {
      length = std::get<os::ReadBytes>(result).length;
      message = LineBytes{at, std::string(reinterpret_cast<const char*>(buffer.data()), length)};
      at += length;
    }
    if (!take(message)) return {};
  }
}

}  // namespace vmline::cli
