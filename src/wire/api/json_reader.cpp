// SPDX-License-Identifier: Apache-2.0
// Strict reading of JSON; see json_reader.hpp.
#include "wire/api/json_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.hpp"
#include "wire/api/size.hpp"

namespace vmline::api {
namespace {

constexpr std::size_t shown_bytes = 80;  ///< of a refused value, in an error

/// A key as a part of a JSON pointer (RFC 6901).
std::string escaped(std::string_view key) {
  std::string out;
  for (char c : key.substr(0, shown_bytes)) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    }
  }
  return out;
}

std::string shown(const json::value& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return fmt::format("an array of {}", value.get_array().size());
  if (value.is_string() && value.get_string().size() > shown_bytes) {
    return fmt::format("text of {} bytes", value.get_string().size());
  }
  // A value put together by other means can hold what no JSON can.
  if (value.is_string() && !is_utf8(value.get_string())) return fmt::format("text of {} bytes", value.get_string().size());
  return json::serialize(value);
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool has_nul(const json::string& text) { return std::ranges::find(text, '\0') != text.end(); }

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto first = static_cast<unsigned char>(text[i]);
    std::size_t length = first < 0x80                    ? 1
                         : first >= 0xc2 && first < 0xe0 ? 2
                         : (first & 0xf0) == 0xe0        ? 3
                         : first >= 0xf0 && first < 0xf5 ? 4
                                                         : 0;
    if (length == 0 || text.size() - i < length) return false;
    std::uint32_t point = length == 1 ? first : first & (0x7fu >> length);
    for (std::size_t k = 1; k < length; ++k) {
      auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = (point << 6) | (next & 0x3fu);
    }
    // Too long for what it says, half of a UTF-16 pair, beyond Unicode.
    if ((length == 3 && point < 0x800) || (point >= 0xd800 && point < 0xe000) || (length == 4 && (point < 0x10000 || point > 0x10ffff)))
      return false;
    i += length;
  }
  return true;
}

Result<json::value> parse_json(std::string_view text, std::size_t most) {
  if (text.size() > most)
    return fail(fmt::format("{} bytes of JSON are more than the {} that are taken", text.size(), most), ErrorKind::usage);
  json::parse_options options;
  options.max_depth = 8;
  json::parser parser({}, options);
  boost::system::error_code error;
  std::size_t end = parser.write_some(text.data(), text.size(), error);
  bool more = !error && text.find_first_not_of(" \t\r\n", end) != std::string_view::npos;
  if (!error && !more) return parser.release();
  std::string_view before = text.substr(0, end);
  std::size_t last_line = before.rfind('\n');
  return fail(fmt::format("line {}, column {}: {}", std::ranges::count(before, '\n') + 1,
                          last_line == std::string_view::npos ? end + 1 : end - last_line,
                          more ? "more after the end of the JSON" : error.message()),
              ErrorKind::usage);
}

void JsonErrors::report(const std::string& pointer, const json::value* value, std::string_view expected) {
  if (first_) return;
  first_ = Error(fmt::format("{}: {}{}{}", pointer.empty() ? "/" : pointer, value ? shown(*value) : "", value ? " " : "", expected),
                 ErrorKind::usage);
}

Result<> JsonErrors::result() const {
  if (first_) return std::unexpected(*first_);
  return {};
}

ObjectReader::ObjectReader(const json::value& value, std::string pointer, JsonErrors& errors)
    : object_(value.if_object()), pointer_(std::move(pointer)), errors_(errors) {
  if (!object_) errors_.report(pointer_, &value, "is not an object");
}

std::string ObjectReader::at(std::string_view key) const { return pointer_ + "/" + escaped(key); }

bool ObjectReader::has(std::string_view key) const { return object_ && object_->if_contains(key); }

void ObjectReader::refuse(std::string_view key, std::string_view expected) {
  errors_.report(at(key), object_ ? object_->if_contains(key) : nullptr, expected);
}

const json::value* ObjectReader::take(std::string_view key) {
  known_.push_back(key);
  return object_ && !errors_.any() ? object_->if_contains(key) : nullptr;
}

void ObjectReader::text(std::string_view key, std::string& target, std::size_t most, std::size_t least) {
  const json::value* value = take(key);
  if (!value) return;
  const json::string* text = value->if_string();
  if (!text || text->size() > most || text->size() < least) {
    errors_.report(at(key), value, fmt::format("is not text of {} to {} bytes", least, most));
  } else if (has_nul(*text)) {
    errors_.report(at(key), value, "has a NUL character in it");
  } else if (!is_utf8(*text)) {
    errors_.report(at(key), value, "is not UTF-8");
  } else {
    target.assign(text->data(), text->size());
  }
}

void ObjectReader::text(std::string_view key, std::optional<std::string>& target, std::size_t most, std::size_t least) {
  if (!has(key)) return knows(key);
  std::string value;
  text(key, value, most, least);
  target = std::move(value);
}

void ObjectReader::path(std::string_view key, std::string& target, std::size_t least) {
  text(key, target, limits::path, least);
  if (has(key) && has_control(target)) refuse(key, "has a control character in it");
}

void ObjectReader::path(std::string_view key, std::optional<std::string>& target, std::size_t least) {
  if (!has(key)) return knows(key);
  std::string value;
  path(key, value, least);
  target = std::move(value);
}

bool ObjectReader::is_null(std::string_view key) const {
  const json::value* value = object_ ? object_->if_contains(key) : nullptr;
  return value && value->is_null();
}

void ObjectReader::any_object(std::string_view key, std::string& target, std::size_t most) {
  const json::value* value = take(key);
  if (!value) return;
  if (!value->is_object()) return errors_.report(at(key), value, "is not an object");
  std::string text = value->get_object().empty() ? "" : json::serialize(*value);
  if (text.size() > most) return errors_.report(at(key), value, fmt::format("has {} bytes of JSON, more than {}", text.size(), most));
  target = std::move(text);
}

void ObjectReader::flag(std::string_view key, bool& target) {
  const json::value* value = take(key);
  if (!value) return;
  if (!value->is_bool()) return errors_.report(at(key), value, "is not true or false");
  target = value->get_bool();
}

void ObjectReader::whole_number(std::string_view key, std::uint64_t& target, std::uint64_t least, std::uint64_t most) {
  const json::value* value = take(key);
  if (!value) return;
  bool fits = value->is_uint64() || (value->is_int64() && value->get_int64() >= 0);
  std::uint64_t number = value->is_uint64() ? value->get_uint64() : fits ? static_cast<std::uint64_t>(value->get_int64()) : 0;
  if (!fits || number < least || number > most) {
    return errors_.report(at(key), value, fmt::format("is not a number from {} to {}", least, most));
  }
  target = number;
}

void ObjectReader::size(std::string_view key, std::uint64_t& target, std::uint64_t least, std::uint64_t most) {
  const json::value* value = take(key);
  if (!value) return;
  std::optional<std::uint64_t> bytes;
  if (value->is_uint64()) bytes = value->get_uint64();
  if (value->is_int64() && value->get_int64() >= 0) bytes = static_cast<std::uint64_t>(value->get_int64());
  if (value->is_string()) {
    if (auto parsed = parse_size(value->get_string())) bytes = *parsed;
  }
  if (!bytes || *bytes < least || *bytes > most) {
    return errors_.report(at(key), value, fmt::format("is not a size from {} to {}", format_size(least), format_size(most)));
  }
  target = *bytes;
}

void ObjectReader::milliseconds(std::string_view key, std::chrono::milliseconds& target, std::chrono::milliseconds most) {
  auto value = static_cast<std::uint64_t>(target.count());
  whole_number(key, value, 0, static_cast<std::uint64_t>(most.count()));
  target = std::chrono::milliseconds(value);
}

const json::array* ObjectReader::entries(std::string_view key, std::size_t most) {
  const json::value* value = take(key);
  if (!value) return nullptr;
  if (!value->is_array() || value->get_array().size() > most) {
    errors_.report(at(key), value, fmt::format("is not an array of at most {}", most));
    return nullptr;
  }
  return &value->get_array();
}

void ObjectReader::texts(std::string_view key, std::vector<std::string>& target, std::size_t most_entries, std::size_t most_bytes) {
  const json::array* array = entries(key, most_entries);
  if (!array) return;
  target.clear();
  for (std::size_t i = 0; i < array->size(); ++i) {
    const json::value& entry = (*array)[i];
    const json::string* text = entry.if_string();
    if (!text || text->size() > most_bytes || has_nul(*text) || !is_utf8(*text)) {
      return errors_.report(
          fmt::format("{}/{}", at(key), i), &entry,
          fmt::format("is not text of at most {} bytes{}", most_bytes, text && !is_utf8(*text) ? " of UTF-8" : " without NUL"));
    }
    target.emplace_back(text->data(), text->size());
  }
}

void ObjectReader::finish() {
  if (!object_ || errors_.any()) return;
  for (const auto& field : *object_) {
    if (std::ranges::find(known_, std::string_view(field.key())) != known_.end()) continue;
    return errors_.report(at(field.key()), nullptr, fmt::format("is not known; the fields here are {}", fmt::join(known_, ", ")));
  }
}

}  // namespace vmline::api
