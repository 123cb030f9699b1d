// SPDX-License-Identifier: Apache-2.0
// Cloud Hypervisor's event monitor: pretty-printed JSON objects with blank lines between them, written without waiting (a full FIFO cuts
// them anywhere). Fed in any pieces; what cannot be read is skipped, and a `{` at the start of a line is always the start of an event.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vmm/driver.hpp"

namespace vmline::vmm::cloud_hypervisor {

class EventStream {
 public:
  /// When the monitor was started, which it counts its events' times from: for what is fed from now on.
  void set_started(std::optional<Time> started) { started_ = started; }
  std::vector<MonitorEvent> feed(std::span<const std::byte> bytes);
  /// Bytes of the event that has not ended yet.
  [[nodiscard]] std::size_t unfinished() const { return object_.size(); }

 private:
  void take(char c, std::vector<MonitorEvent>& events);
  std::optional<MonitorEvent> read() const;

  std::optional<Time> started_;
  std::string object_;  ///< what has come of the event being read; empty between events
  int depth_ = 0;
  bool in_text_ = false;
  bool escaped_ = false;
  bool line_start_ = true;
};

}  // namespace vmline::vmm::cloud_hypervisor
