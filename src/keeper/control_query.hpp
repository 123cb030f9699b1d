// SPDX-License-Identifier: Apache-2.0
// What a request asks for in its query and its JSON body, as plain values. Strict: an unknown or senseless one is an error with its name.
#pragma once
#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.hpp"
#include "keeper/control_routes.hpp"
#include "keeper/control_target.hpp"
#include "keeper/service.hpp"

namespace vmline::keeper {

/// "tail", "start", "12345", "-4096", "boot:7", "boot:-1", into `from` and `value` of the request.
[[nodiscard]] Result<> parse_where(std::string_view text, StreamRequest& request);

/// from=WHERE, read_only=1, take=1. `who` stays empty.
[[nodiscard]] Result<StreamRequest> read_stream_query(const Target& target);

struct EventsQuery {
  std::uint64_t from = 1;
  std::size_t limit = 1000;
};
/// from=SEQUENCE, limit=N.
[[nodiscard]] Result<EventsQuery> read_events_query(const Target& target);
/// from=SEQUENCE; `next` where it is not given.
[[nodiscard]] Result<std::uint64_t> read_events_stream_query(const Target& target, std::uint64_t next);

/// take=1.
[[nodiscard]] Result<bool> read_input_query(const Target& target);

[[nodiscard]] Result<> read_no_query(const Target& target);

/// The JSON body of PUT /v1/vm/…: nothing, or an object with what this command knows. Checked, then as it was given.
[[nodiscard]] Result<json::object> read_arguments(Route command, std::string_view body);

}  // namespace vmline::keeper
