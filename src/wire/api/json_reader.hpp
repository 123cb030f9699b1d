// SPDX-License-Identifier: Apache-2.0
// Reads JSON that others wrote into plain values, strictly: every field has a type, a limit and a name in the error (its JSON pointer);
// what is not known is an error. The first error stays and the rest is skipped, so that a reader is a plain list of fields.
#pragma once
#include <boost/json.hpp>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace vmline::api {

namespace json = boost::json;

/// One JSON document with its limits: at most `most` bytes, nested at most 8 deep. The error tells the line and column.
[[nodiscard]] Result<json::value> parse_json(std::string_view text, std::size_t most);

[[nodiscard]] bool is_utf8(std::string_view text);

/// A word of the JSON and what it stands for.
template <class E>
struct Choice {
  std::string_view name;
  E meaning;
};

/// The first error of a document being read.
class JsonErrors {
 public:
  /// `pointer`: "/cpus"; `value` as it was given, or null where it is not there; `expected`: "is not a number from 1 to 1024".
  void report(const std::string& pointer, const json::value* value, std::string_view expected);
  [[nodiscard]] bool any() const { return first_.has_value(); }
  [[nodiscard]] Result<> result() const;

 private:
  std::optional<Error> first_;
};

/// One object of the document. Fields that are absent leave their target as it was.
class ObjectReader {
 public:
  ObjectReader(const json::value& value, std::string pointer, JsonErrors& errors);

  [[nodiscard]] bool has(std::string_view key) const;
  [[nodiscard]] const std::string& pointer() const { return pointer_; }
  /// An error of the caller's own about a field that was read.
  void refuse(std::string_view key, std::string_view expected);

  /// At most `most` bytes of UTF-8, no NUL byte: it will be an argument or a path. With `least` 1, not empty.
  void text(std::string_view key, std::string& target, std::size_t most, std::size_t least = 0);
  void text(std::string_view key, std::optional<std::string>& target, std::size_t most, std::size_t least = 0);
  /// Text of a path's length without control characters: it will stand in errors and tables.
  void path(std::string_view key, std::string& target, std::size_t least = 0);
  void path(std::string_view key, std::optional<std::string>& target, std::size_t least = 0);
  void flag(std::string_view key, bool& target);
  template <std::unsigned_integral T>
  void number(std::string_view key, T& target, T least, T most) {
    std::uint64_t value = target;
    whole_number(key, value, least, most);
    target = static_cast<T>(value);
  }
  template <std::unsigned_integral T>
  void number(std::string_view key, std::optional<T>& target, T least, T most) {
    T value = 0;
    number(key, value, least, most);
    if (has(key)) target = value;
  }
  /// A number of bytes, or text with a suffix: "512M".
  void size(std::string_view key, std::uint64_t& target, std::uint64_t least, std::uint64_t most);
  void milliseconds(std::string_view key, std::chrono::milliseconds& target, std::chrono::milliseconds most);
  template <class E>
  void choice(std::string_view key, E& target, std::span<const Choice<E>> choices) {
    const json::value* value = take(key);
    if (!value) return;
    std::string expected;
    for (const auto& [name, meaning] : choices) {
      if (value->is_string() && std::string_view(value->get_string()) == name) {
        target = meaning;
        return;
      }
      expected += (expected.empty() ? "is not one of " : ", ") + std::string(name);
    }
    errors_.report(at(key), value, expected);
  }
  void texts(std::string_view key, std::vector<std::string>& target, std::size_t most_entries, std::size_t most_bytes);
  /// Calls `each(ObjectReader&)` for every entry of an array of objects.
  template <class Each>
  void objects(std::string_view key, std::size_t most_entries, Each each) {
    const json::array* array = entries(key, most_entries);
    for (std::size_t i = 0; array && i < array->size() && !errors_.any(); ++i) {
      ObjectReader entry((*array)[i], at(key) + "/" + std::to_string(i), errors_);
      each(entry);
      entry.finish();
    }
  }
  /// Calls `each(ObjectReader&)` for an object within this one.
  template <class Each>
  void object(std::string_view key, Each each) {
    const json::value* value = take(key);
    if (!value) return;
    ObjectReader inner(*value, at(key), errors_);
    each(inner);
    inner.finish();
  }

  /// An object that is somebody else's to read, as its text: at most `most` bytes of JSON; empty for {}.
  void any_object(std::string_view key, std::string& target, std::size_t most);
  [[nodiscard]] bool is_null(std::string_view key) const;
  /// What is read elsewhere, or not at all.
  void knows(std::string_view key) { known_.push_back(key); }

  /// To be called last: a field that nobody asked for is an error.
  void finish();

 private:
  [[nodiscard]] std::string at(std::string_view key) const;
  const json::value* take(std::string_view key);
  void whole_number(std::string_view key, std::uint64_t& target, std::uint64_t least, std::uint64_t most);
  const json::array* entries(std::string_view key, std::size_t most);

  const json::object* object_ = nullptr;  ///< null where the value was no object
  std::string pointer_;
  JsonErrors& errors_;
  std::vector<std::string_view> known_;
};

}  // namespace vmline::api
