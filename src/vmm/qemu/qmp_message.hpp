// SPDX-License-Identifier: Apache-2.0
// QMP's messages as values: commands written, answers and events read. Pure.
#pragma once
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "vmm/driver.hpp"

namespace vmline::vmm::qemu {

/// One line, newline and all. Never longer than PIPE_BUF: such a write goes into the FIFO whole or not at all, whoever is killed.
[[nodiscard]] std::string command_line(std::string_view command, std::string_view id, const boost::json::object& arguments = {});

struct QmpAnswer {
  std::string id;
  boost::json::value value;        ///< of "return"
  std::string error_class, error;  ///< not empty: it was refused
};
/// Nothing when this is no answer to a question that had an id.
[[nodiscard]] std::optional<QmpAnswer> answer_in(const boost::json::object& message);
[[nodiscard]] std::optional<MonitorEvent> event_in(const boost::json::object& message);
/// Of the greeting, "7.2.22"; empty: it is none.
[[nodiscard]] std::string version_in(const boost::json::object& message);
/// From the answer to query-status.
[[nodiscard]] Result<GuestState> state_in(const boost::json::value& status);

}  // namespace vmline::vmm::qemu
