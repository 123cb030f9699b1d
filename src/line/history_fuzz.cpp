// SPDX-License-Identifier: Apache-2.0
// Any records in any order, and any cuts between them: the history stays whole. Each input byte chooses a record or a cut, the next ones
// are its numbers, kept small so that they meet.
#include "line/history.hpp"

#include "base/check.hpp"

using namespace vmline;
using namespace vmline::line;

namespace {

void check(const History& history) {
  Offset offset = 0;
  std::uint64_t position = 0;
  std::uint64_t lost = 0;
  while (offset < history.end()) {
    auto located = history.locate(offset);
    if (auto* found = std::get_if<InLog>(&located)) {
      CHECK(found->length > 0 && found->position >= position && offset + found->length <= history.end());
      position = found->position + found->length;
      offset += found->length;
    } else {
      CHECK(std::holds_alternative<Lost>(located));
      auto range = std::get<Lost>(located).range;
      CHECK(range.begin == offset && range.end > offset && range.end <= history.end());
      lost += range.length();
      offset = range.end;
    }
  }
  CHECK(offset == history.end());
  CHECK(std::holds_alternative<NotYet>(history.locate(offset)));
  CHECK(history.gap_totals().bytes == lost && history.gap_totals().count == history.gaps().size());
  CHECK(history.first_kept() <= history.end());
  if (auto at = history.end_position()) CHECK(history.continues_at(*at, history.end()) && history.agrees(*at, history.end()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  std::size_t used = 0;
  auto next = [&]() -> std::uint64_t { return used < size ? bytes[used++] : 0; };
  auto big = [&]() -> std::uint64_t {
    auto value = next();
    return value < 240 ? value : (std::uint64_t{1} << 62) + value;
  };
  History history;
  while (used < size) {
    switch (next() % 8) {
      case 0: {
        Offset offset = big();
        history.apply(Boot{next(), offset, offset, {}, "boot"});
        break;
      }
      case 1: {
        Offset begin = big();
        history.apply(Gap{{begin, begin + next() % 32}, {}, next() % 2 ? "one" : "other"});
        break;
      }
      case 2:
      case 3: {
        std::uint64_t before = big();
        history.apply(Run{before + next() % 8, before, big(), next() % 2, {}});
        break;
      }
      case 4: history.apply(End{big(), {}}); break;
      case 5: history.apply(Ceiling{big()}); break;
      case 6: history.cut(big(), "cut", {}); break;
      default:
        if (auto at = history.end_position()) {
          history.advance(history.end() + next() % 16);
        }
    }
    check(history);
  }
  History again;
  for (const auto& record : history.records()) again.apply(record);
  check(again);
  history.settle(big());
  check(history);
  (void)history.next_start();
  return 0;
}
