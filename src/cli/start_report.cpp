// SPDX-License-Identifier: Apache-2.0
// What a holder and its keeper report while they start; see start_report.hpp.
#include "cli/start_report.hpp"

#include <boost/json/parse.hpp>

#include "base/limits.hpp"

namespace vmline::cli {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

ErrorKind kind_of(std::string_view name) {
  if (name == "usage") return ErrorKind::usage;
  if (name == "not_found") return ErrorKind::not_found;
  if (name == "timed_out") return ErrorKind::timed_out;
  if (name == "conflict") return ErrorKind::conflict;
  return ErrorKind::failed;
}

}  // namespace

std::optional<Result<json::object>> StartReport::feed(std::string_view data) {
  line_ += data;
  std::size_t begin = 0;
  for (std::size_t end; (end = line_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    if (auto result = take(std::string_view(line_).substr(begin, end - begin))) return result;
  }
  line_.erase(0, begin);
  if (line_.size() > limits::start_report_line) return fail("the keeper reports without end");
  return std::nullopt;
}

std::optional<Result<json::object>> StartReport::take(std::string_view line) {
  boost::system::error_code ec;
  json::value value = json::parse(json::string_view(line.data(), line.size()), ec);
  if (ec || !value.is_object()) return fail("the keeper reports what is no JSON object: " + std::string(line));
  json::object& object = value.get_object();
  if (object.contains("progress")) {
    progress_(text_of(object, "progress"));
    return std::nullopt;
  }
  std::string result = text_of(object, "result");
  if (result == "ok") return std::move(object);
  if (result == "error") return fail(text_of(object, "detail"), kind_of(text_of(object, "kind")));
  return std::nullopt;  // something that a later version tells
}

}  // namespace vmline::cli
