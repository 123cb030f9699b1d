// SPDX-License-Identifier: Apache-2.0
// A stopped VM's line, read from its journal as a stream would have told it: boots, gaps and bytes in order.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/units.hpp"
#include "cli/line_messages.hpp"
#include "os/journal.hpp"
#include "os/places.hpp"

namespace vmline::cli {

class HistoryReader {
 public:
  /// Of `line` of a VM that is stopped; empty: its first. By its stored spec: not_found where it has no such line.
  static Result<HistoryReader> open(const os::Places& places, const std::string& name, const std::string& line);

  /// What `from=` means here ("start", "tail", "-4096", "12345", "boot:3", "boot:-1"). A boot that is not known is not_found.
  [[nodiscard]] Result<Offset> resolve(const std::string& from) const;
  /// The offsets of a boot: `number` from 1, or from the newest backwards, -1 being that.
  [[nodiscard]] Result<Range> boot(std::int64_t number) const;
  [[nodiscard]] Offset end() const { return journal_.end(); }

  /// Hands out what stands in `range`, until `take` says no.
  Result<> read(Range range, const std::function<bool(const LineMessage&)>& take) const;

 private:
  HistoryReader(os::JournalReader journal, std::string title) : journal_(std::move(journal)), title_(std::move(title)) {}
  os::JournalReader journal_;
  std::string title_;  ///< "web1/serial0"
};

/// Which of `boots` (in order) is meant, and where it ends: where the next begins, else at `end`. Where the places are not exact, all that
/// may be the boot's is: from the earliest place where it can have begun.
struct BootPlace {
  std::uint64_t number = 0;
  Offset offset = 0;
  Offset offset_low = 0;
};
[[nodiscard]] Result<Range> find_boot(const std::vector<BootPlace>& boots, std::int64_t number, Offset end, const std::string& title);

}  // namespace vmline::cli
