// SPDX-License-Identifier: Apache-2.0
// Queries and JSON arguments; see control_query.hpp.
#include "keeper/control_query.hpp"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <initializer_list>

#include "base/limits.hpp"
#include "wire/api/json_reader.hpp"

namespace vmline::keeper {
namespace {

bool whole_number(std::string_view text, std::uint64_t& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

std::unexpected<Error> senseless(const Parameter& parameter, std::string_view expected) {
  return fail(fmt::format("{}={} {}", parameter.name, std::string_view(parameter.value).substr(0, 80), expected), ErrorKind::usage);
}

Result<> read_flag(const Parameter& parameter, bool& value) {
  if (parameter.value != "0" && parameter.value != "1") return senseless(parameter, "is neither 0 nor 1");
  value = parameter.value == "1";
  return {};
}

Result<> read_number(const Parameter& parameter, std::uint64_t least, std::uint64_t most, std::uint64_t& value) {
  if (!whole_number(parameter.value, value) || value < least || value > most) {
    return senseless(parameter, fmt::format("is not a number from {} to {}", least, most));
  }
  return {};
}

std::unexpected<Error> unknown(const Parameter& parameter, std::initializer_list<std::string_view> known) {
  return fail(fmt::format("there is no parameter {} here; {}", parameter.name.substr(0, 80),
                          known.size() == 0 ? std::string("there are none") : fmt::format("there are {}", fmt::join(known, ", "))),
              ErrorKind::usage);
}

constexpr std::uint64_t sequence_max = INT64_MAX;

}  // namespace

Result<> parse_where(std::string_view text, StreamRequest& request) {
  using From = StreamRequest::From;
  std::uint64_t value = 0;
  if (text == "tail" || text == "start") {
    request.from = text == "tail" ? From::tail : From::start;
  } else if (whole_number(text, value)) {
    request.from = From::offset;
  } else if (text.starts_with('-') && whole_number(text.substr(1), value)) {
    request.from = From::back;
  } else if (text.starts_with("boot:-") && whole_number(text.substr(6), value) && value > 0) {
    request.from = From::boot_back;
  } else if (text.starts_with("boot:") && whole_number(text.substr(5), value) && value > 0) {
    request.from = From::boot;
  } else {
    return senseless({"from", std::string(text)}, "is not tail, start, an offset, -BYTES, boot:N or boot:-N");
  }
  request.value = value;
  return {};
}

Result<StreamRequest> read_stream_query(const Target& target) {
  StreamRequest request;
  for (const Parameter& parameter : target.query) {
    if (parameter.name == "from") {
      TRY(parse_where(parameter.value, request));
    } else if (parameter.name == "read_only") {
      TRY(read_flag(parameter, request.read_only));
    } else if (parameter.name == "take") {
      TRY(read_flag(parameter, request.take));
    } else {
      return unknown(parameter, {"from", "read_only", "take"});
    }
  }
  if (request.read_only && request.take) return fail("read_only=1 and take=1 exclude each other", ErrorKind::usage);
  return request;
}

Result<EventsQuery> read_events_query(const Target& target) {
  EventsQuery query;
  for (const Parameter& parameter : target.query) {
    if (parameter.name == "from") {
      TRY(read_number(parameter, 0, sequence_max, query.from));
    } else if (parameter.name == "limit") {
      std::uint64_t limit = 0;
      TRY(read_number(parameter, 1, limits::events_kept, limit));
      query.limit = limit;
    } else {
      return unknown(parameter, {"from", "limit"});
    }
  }
  return query;
}

Result<std::uint64_t> read_events_stream_query(const Target& target, std::uint64_t next) {
  for (const Parameter& parameter : target.query) {
    if (parameter.name != "from") return unknown(parameter, {"from"});
    TRY(read_number(parameter, 0, sequence_max, next));
  }
  return next;
}

Result<bool> read_input_query(const Target& target) {
  bool take = false;
  for (const Parameter& parameter : target.query) {
    if (parameter.name != "take") return unknown(parameter, {"take"});
    TRY(read_flag(parameter, take));
  }
  return take;
}

Result<> read_no_query(const Target& target) {
  if (!target.query.empty()) return unknown(target.query.front(), {});
  return {};
}

Result<json::object> read_arguments(Route command, std::string_view body) {
  if (body.empty()) return json::object();
  TRY_ASSIGN(json::value value, api::parse_json(body, limits::http_body));
  api::JsonErrors errors;
  api::ObjectReader reader(value, "", errors);
  std::chrono::milliseconds timeout{0};
  if (command == Route::stop || command == Route::reboot) reader.milliseconds("timeout_ms", timeout, limits::duration_max);
  reader.finish();
  TRY(errors.result());
  return std::move(value.get_object());
}

}  // namespace vmline::keeper
