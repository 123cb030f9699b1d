// SPDX-License-Identifier: Apache-2.0
// Holds the published JSON Schema (docs/vmline.vm.v1.schema.json) and the parser to each other: the same fields everywhere, the same words,
// limits, patterns, defaults and drivers. The schema is walked; nothing of it is repeated here.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <regex>
#include <set>

#include "wire/api/json_reader.hpp"
#include "wire/api/spec_json.hpp"

namespace vmline::api {
namespace {

using Wrap = std::function<json::value(json::value)>;  ///< a whole spec around a value

std::string read_schema() {
  std::ifstream file(std::filesystem::path(__FILE__).parent_path() / "../../../docs/vmline.vm.v1.schema.json");
  return {std::istreambuf_iterator<char>(file), {}};
}

const json::object& schema() {
  static const json::value value = json::parse(read_schema());
  return value.get_object();
}

std::string refused(const json::value& document) {
  auto spec = parse_spec(json::serialize(document));
  return spec ? "" : spec.error().sentence();
}

/// A spec of this driver with nothing in it that need not be there.
json::object bare(std::string_view driver) {
  json::object out{{"schema", "vmline.vm/v1"}, {"name", "web1"}, {"driver", driver}};
  if (driver == "exec") out["command"] = {"true"};
  if (driver == "none") out["lines"] = json::parse(R"([{"upstream":{"kind":"dial","path":"/s"}}])");
  return out;
}

const json::object& properties(const json::object& node) { return node.at("properties").as_object(); }

const json::value& example(const json::object& node) { return node.at("examples").as_array().at(0); }

/// An object that the parser takes.
json::object sample(const json::object& node) {
  if (node.contains("examples")) return example(node).as_object();
  json::object out;
  if (const json::value* required = node.if_contains("required")) {
    for (const json::value& key : required->as_array()) out[key.as_string()] = example(properties(node).at(key.as_string()).as_object());
  }
  return out;
}

/// What else `key` must have beside it, and what it must not, in an object that is otherwise good.
json::object fitting(const json::object& node, json::object object, std::string_view key) {
  if (const json::value* alternatives = node.if_contains("oneOf")) {
    std::set<std::string> others;
    for (const json::value& alternative : alternatives->as_array()) others.emplace(alternative.at("required").at(0).as_string());
    if (others.erase(std::string(key))) {
      for (const std::string& other : others) object.erase(other);
    }
  }
  const json::value* dependent = node.if_contains("dependentSchemas");
  if (!dependent || !dependent->as_object().contains(key)) return object;
  for (const auto& [name, wanted] : properties(dependent->at(key).as_object()))
    object[name] = wanted.as_object().contains("const") ? wanted.at("const") : wanted.at("enum").as_array().at(0);
  return object;
}

std::vector<std::string> texts() {
  std::vector<std::string> out = {"",
                                  "a",
                                  "serial0",
                                  "web1",
                                  "a,b",
                                  "a\"b",
                                  "a'b",
                                  "a\nb",
                                  "a b",
                                  "../a",
                                  "..",
                                  ".",
                                  "a/b",
                                  "/a",
                                  "/a/b",
                                  "a/",
                                  "a//b",
                                  "a\tb",
                                  "a\x7f",
                                  "\x1b[31m",
                                  "ä",
                                  "%d",
                                  "a:b",
                                  "-a",
                                  "a.lock",
                                  "a.b",
                                  "_a",
                                  "api",
                                  "qmp",
                                  "panic",
                                  "ready",
                                  "tap%d",
                                  "a\\b",
                                  "512M",
                                  "-512M",
                                  "1Q",
                                  "$(x)",
                                  "a\n",
                                  "\n",
                                  "/sys/fs/cgroup",
                                  "/sys/fs/cgroup/a",
                                  "/sys/fs/cgroup/../a",
                                  "/sys/fs/cgroup/a/",
                                  "./a",
                                  "a/..",
                                  "a/./b",
                                  "...",
                                  "a..b",
                                  "52:54:00:12:34:56",
                                  "53:54:00:12:34:56",
                                  "00:00:00:00:00:00",
                                  "52-54-00-12-34-56",
                                  "8c1f0b3a-52d4-4e0e-9d3b-0b8f7a3c1e55",
                                  "8c1f0b3a52d44e0e9d3b0b8f7a3c1e55",
                                  "AA:BB:CC:DD:EE:FF",
                                  "aA:BB:CC:DD:EE:0f",
                                  std::string("a\0b", 3)};
  for (std::size_t length :
       {15u, 16u, 17u, 32u, 33u, 36u, 37u, 64u, 65u, 107u, 108u, 255u, 256u, 257u, 4095u, 4096u, 65535u, 65536u, 262144u, 262145u})
    out.emplace_back(length, 'x');
  return out;
}

class Walk {
 public:
  /// `wrap` makes a spec of this object's value; at `pointer` it stands there.
  void object(const json::object& node, const std::string& pointer, const Wrap& wrap) {
    ASSERT_EQ(node.at("additionalProperties"), json::value(false)) << pointer;
    json::object with_unknown = sample(node);
    with_unknown["zzz"] = 1;
    same_fields(node, pointer, refused(wrap(with_unknown)));
    for (const json::value& key : node.contains("required") ? node.at("required").as_array() : json::array{}) {
      json::object without = sample(node);
      without.erase(key.as_string());
      EXPECT_TRUE(refused(wrap(without)).starts_with(pointer + "/" + std::string(key.as_string()) + ": ")) << pointer << " without " << key;
    }
    for (const auto& [key, value] : properties(node)) {
      std::string name = key;
      auto wrap_field = [&](json::value field) {
        json::object around = fitting(node, sample(node), name);
        around[name] = std::move(field);
        return wrap(std::move(around));
      };
      field(value.as_object(), pointer + "/" + name, wrap_field);
    }
  }

  void field(const json::object& node, const std::string& pointer, const Wrap& wrap) {
    ++fields_;
    EXPECT_TRUE(node.contains("description") && node.at("description").as_string().size() > 5) << pointer << " is not described";
    for (const json::value& one : node.contains("examples") ? node.at("examples").as_array() : json::array{}) takes(pointer, wrap, one);
    if (const json::value* only = node.if_contains("const")) {
      takes(pointer, wrap, *only);
      refuses(pointer, wrap, "other");
    } else if (const json::value* choices = node.if_contains("enum")) {
      words(choices->as_array(), pointer, wrap);
    } else if (const json::value* either = node.if_contains("anyOf")) {
      for (const json::value& one : either->as_array()) value(one.as_object(), pointer, wrap);
      refuses(pointer, wrap, true);
    } else {
      value(node, pointer, wrap);
    }
  }

  [[nodiscard]] int fields() const { return fields_; }

 private:
  static void takes(const std::string& pointer, const Wrap& wrap, const json::value& value) {
    EXPECT_EQ(refused(wrap(value)), "") << pointer << " = " << json::serialize(value).substr(0, 100);
  }
  static void refuses(const std::string& pointer, const Wrap& wrap, const json::value& value) {
    EXPECT_TRUE(refused(wrap(value)).starts_with(pointer + ": "))
        << pointer << " = " << json::serialize(value).substr(0, 100) << ": " << refused(wrap(value));
  }

  /// The parser lists the fields that it knows when it meets another one.
  static void same_fields(const json::object& node, const std::string& pointer, const std::string& sentence) {
    constexpr std::string_view before = "is not known; the fields here are ";
    std::size_t at = sentence.find(before);
    ASSERT_NE(at, std::string::npos) << pointer << ": " << sentence;
    std::set<std::string> known, published;
    std::string list = sentence.substr(at + before.size());
    for (std::size_t from = 0; from < list.size();) {
      std::size_t end = std::min(list.find(", ", from), list.size());
      known.insert(list.substr(from, end - from));
      from = end + 2;
    }
    for (const auto& property : properties(node)) published.insert(property.key());
    EXPECT_EQ(known, published) << pointer;
  }

  static void words(const json::array& choices, const std::string& pointer, const Wrap& wrap) {
    std::string expected;
    for (const json::value& word : choices) {
      // A driver needs what goes with it.
      json::value document = pointer == "/driver" ? json::value(bare(word.as_string())) : wrap(word);
      EXPECT_EQ(refused(document), "") << pointer << " = " << word;
      expected += (expected.empty() ? "is not one of " : ", ") + std::string(word.as_string());
    }
    EXPECT_EQ(refused(wrap("other")), fmt::format("{}: \"other\" {}", pointer, expected));
    refuses(pointer, wrap, 1);
  }

  void value(const json::object& node, const std::string& pointer, const Wrap& wrap) {
    std::string type(node.at("type").is_array() ? node.at("type").as_array().at(0).as_string() : node.at("type").as_string());
    if (type == "boolean") {
      takes(pointer, wrap, true);
      takes(pointer, wrap, false);
      refuses(pointer, wrap, 0);
    } else if (type == "integer") {
      integer(node, pointer, wrap);
    } else if (type == "string") {
      text(node, pointer, wrap);
    } else if (type == "array") {
      array(node, pointer, wrap);
    } else {
      ASSERT_EQ(type, "object") << pointer;
      bool null_too = node.at("type").is_array();
      null_too ? takes(pointer, wrap, nullptr) : refuses(pointer, wrap, nullptr);
      refuses(pointer, wrap, "x");
      if (node.contains("properties")) object(node, pointer, wrap);
    }
  }

  static void integer(const json::object& node, const std::string& pointer, const Wrap& wrap) {
    std::int64_t least = node.at("minimum").as_int64(), most = node.at("maximum").as_int64();
    for (std::int64_t good : {least, most}) takes(pointer, wrap, good);
    for (std::int64_t bad : {least - 1, most + 1}) refuses(pointer, wrap, bad);
    refuses(pointer, wrap, 1.5);
    refuses(pointer, wrap, nullptr);
  }

  /// Every text of a long list is taken by both or by none.
  static void text(const json::object& node, const std::string& pointer, const Wrap& wrap) {
    const json::value* least = node.if_contains("minLength");
    const json::value* most = node.if_contains("maxLength");
    const json::value* pattern = node.if_contains("pattern");
    ASSERT_TRUE(most || pattern) << pointer << ": text without a limit";
    for (const std::string& one : texts()) {
      // std::regex recurses for every character: of a long text, all x, its beginning says the same.
      bool matches = !pattern || std::regex_search(one.substr(0, 300), std::regex(std::string(pattern->as_string())));
      bool published =
          matches && (!least || one.size() >= least->to_number<std::size_t>()) && (!most || one.size() <= most->to_number<std::size_t>());
      std::string sentence = refused(wrap(json::string(one)));
      if (sentence.find("is not a size from") != std::string::npos) continue;  // its text has a range too, which no pattern tells
      bool known = !sentence.starts_with(pointer + ": ");
      EXPECT_EQ(known, published) << pointer << " = " << json::serialize(json::string(one)).substr(0, 100) << ": " << sentence;
    }
    refuses(pointer, wrap, nullptr);
    refuses(pointer, wrap, json::array{});
  }

  void array(const json::object& node, const std::string& pointer, const Wrap& wrap) {
    auto most = node.at("maxItems").to_number<std::size_t>();
    EXPECT_EQ(refused(wrap(json::array(most + 1, json::value(0)))),
              fmt::format("{}: an array of {} is not an array of at most {}", pointer, most + 1, most));
    EXPECT_EQ(refused(wrap(json::array(most, json::value(0)))).find("is not an array of"), std::string::npos) << pointer;
    refuses(pointer, wrap, json::object{});
    const json::object& items = node.at("items").as_object();
    auto wrap_item = [&](json::value item) { return wrap(json::array{std::move(item)}); };
    if (items.at("type") == "object")
      object(items, pointer + "/0", wrap_item);
    else
      text(items, pointer + "/0", wrap_item);
  }

  int fields_ = 0;
};

std::vector<std::string> drivers_of(const json::object& node) {
  std::vector<std::string> out;
  const json::value& list = node.contains("x-drivers") ? node.at("x-drivers") : properties(schema()).at("driver").at("enum");
  for (const json::value& driver : list.as_array()) out.emplace_back(driver.as_string());
  return out;
}

/// What a spec has where it does not say, as far as the schema tells; and nothing that the schema does not tell.
void compare_defaults(const json::object& node, const json::object& written, const std::string& pointer) {
  for (const auto& [key, value] : properties(node)) {
    const json::object& field = value.as_object();
    const json::value* has = written.if_contains(key);
    std::string at = pointer + "/" + std::string(key);
    if (const json::value* expected = field.if_contains("default")) {
      ASSERT_TRUE(has) << at;
      EXPECT_EQ(json::serialize(*has), json::serialize(*expected)) << at;
    } else if (has && has->is_object() && field.contains("properties")) {
      compare_defaults(field, has->get_object(), at);
    } else if (has && has->is_array()) {
      ASSERT_EQ(has->get_array().size(), 1u) << at;  // of lines: one
      compare_defaults(field.at("items").as_object(), has->at(0).as_object(), at + "/0");
    } else if (has) {
      bool required = node.contains("required") &&
                      std::ranges::find(node.at("required").as_array(), json::value(key)) != node.at("required").as_array().end();
      EXPECT_TRUE(required) << at << " has a default that the schema does not tell";
    }
  }
}

TEST(SpecSchema, KnowsTheFieldsWordsLimitsAndPatternsThatTheParserKnows) {
  Walk walk;
  // Each field of the spec under a driver that has a use for it.
  for (const auto& [key, value] : properties(schema())) {
    std::string name = key;
    std::string driver = drivers_of(value.as_object()).front();
    walk.field(value.as_object(), "/" + name, [&](json::value field) {
      json::object spec = bare(driver);
      spec[name] = std::move(field);
      return json::value(spec);
    });
  }
  EXPECT_GT(walk.fields(), 60);
  std::string sentence = refused(json::object{{"schema", "vmline.vm/v1"}, {"name", "a"}, {"zzz", 1}});
  for (const auto& property : properties(schema()))
    EXPECT_NE((sentence + ",").find(" " + std::string(property.key()) + ","), std::string::npos) << property.key();
  EXPECT_EQ(std::ranges::count(sentence, ','), static_cast<long>(properties(schema()).size()) - 1) << sentence;
}

TEST(SpecSchema, SaysForWhichDriversAFieldIs) {
  for (const auto& [key, value] : properties(schema())) {
    const json::object& field = value.as_object();
    if (key == "schema" || key == "name" || key == "driver" || key == "command" || key == "lines") continue;
    std::vector<std::string> drivers = drivers_of(field);
    for (const json::value& driver : properties(schema()).at("driver").at("enum").as_array()) {
      json::object spec = bare(driver.as_string());
      ASSERT_TRUE(field.contains("examples") || !field.contains("x-drivers")) << key << " has no example";
      if (!field.contains("examples")) continue;
      spec[key] = example(field);
      std::string sentence = refused(spec);
      bool listed = std::ranges::find(drivers, std::string(driver.as_string())) != drivers.end();
      EXPECT_EQ(sentence.empty(), listed) << key << " with " << driver << ": " << sentence;
      EXPECT_TRUE(listed || sentence.starts_with("/" + std::string(key) + ": ")) << sentence;
    }
  }
}

TEST(SpecSchema, TellsEveryDefault) {
  auto spec = parse_spec(R"({"schema":"vmline.vm/v1","name":"web1"})");
  ASSERT_TRUE(spec);
  compare_defaults(schema(), to_json(*spec), "");
  spec = parse_spec(R"({"schema":"vmline.vm/v1","name":"web1","root_disk":{"path":"/r"},"disks":[{"path":"/d"}],"networks":[{}],
                        "shares":[{"tag":"a","path":"/a"}],"cloud_init":{}})");
  ASSERT_TRUE(spec) << spec.error().sentence();
  json::object written = to_json(*spec);
  for (const char* key : {"disks", "networks", "shares"})
    compare_defaults(properties(schema()).at(key).at("items").as_object(), written.at(key).at(0).as_object(), std::string("/") + key);
  compare_defaults(properties(schema()).at("root_disk").as_object(), written.at("root_disk").as_object(), "/root_disk");
  EXPECT_TRUE(written.at("cloud_init").as_object().empty());
}

}  // namespace
}  // namespace vmline::api
