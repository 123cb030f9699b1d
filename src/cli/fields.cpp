// SPDX-License-Identifier: Apache-2.0
// Fields of JSON that a keeper told; see fields.hpp.
#include "cli/fields.hpp"

#include <boost/json/value.hpp>

namespace vmline::cli {
namespace {

const json::value* find(const json::object& object, std::string_view key) {
  return object.if_contains(json::string_view(key.data(), key.size()));
}

}  // namespace

std::string text_field(const json::object& object, std::string_view key) {
  const json::value* value = find(object, key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::uint64_t number_field(const json::object& object, std::string_view key) {
  const json::value* value = find(object, key);
  if (value && value->is_uint64()) return value->get_uint64();
  return value && value->is_int64() && value->get_int64() > 0 ? static_cast<std::uint64_t>(value->get_int64()) : 0;
}

bool flag_field(const json::object& object, std::string_view key) {
  const json::value* value = find(object, key);
  return value && value->is_bool() && value->get_bool();
}

json::object object_field(const json::object& object, std::string_view key) {
  const json::value* value = find(object, key);
  return value && value->is_object() ? value->get_object() : json::object();
}

json::array array_field(const json::object& object, std::string_view key) {
  const json::value* value = find(object, key);
  return value && value->is_array() ? value->get_array() : json::array();
}

std::vector<json::object> objects_field(const json::object& object, std::string_view key) {
  std::vector<json::object> objects;
  for (json::value& entry : array_field(object, key)) {
    if (entry.is_object()) objects.push_back(std::move(entry.get_object()));
  }
  return objects;
}

}  // namespace vmline::cli
