// SPDX-License-Identifier: Apache-2.0
// Fields of JSON that a keeper told, read leniently: what is absent or of another type is empty, since a keeper may be older or newer.
#pragma once
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vmline::cli {

namespace json = boost::json;

[[nodiscard]] std::string text_field(const json::object& object, std::string_view key);
[[nodiscard]] std::uint64_t number_field(const json::object& object, std::string_view key);
[[nodiscard]] bool flag_field(const json::object& object, std::string_view key);
[[nodiscard]] json::object object_field(const json::object& object, std::string_view key);
[[nodiscard]] json::array array_field(const json::object& object, std::string_view key);

/// Those entries of an array that are objects.
[[nodiscard]] std::vector<json::object> objects_field(const json::object& object, std::string_view key);

}  // namespace vmline::cli
