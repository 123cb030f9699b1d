// SPDX-License-Identifier: Apache-2.0
// See qmp_message.hpp.
#include "vmm/qemu/qmp_message.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>
#include <climits>

#include "base/check.hpp"
#include "vmm/words.hpp"

namespace vmline::vmm::qemu {
namespace {

namespace json = boost::json;
using Kind = MonitorEvent::Kind;

struct Known {
  std::string_view name;
  Kind kind;
};
constexpr std::array<Known, 7> known = {{{"RESET", Kind::reset},
                                         {"SHUTDOWN", Kind::shutdown},
                                         {"POWERDOWN", Kind::powerdown},
                                         {"STOP", Kind::paused},
                                         {"RESUME", Kind::resumed},
                                         {"GUEST_PANICKED", Kind::panicked},
                                         {"GUEST_CRASHLOADED", Kind::panicked}}};

const json::object* object_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value ? value->if_object() : nullptr;
}
std::string text_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}
std::optional<std::int64_t> number_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (!value || !value->is_int64()) return std::nullopt;
  return value->get_int64();
}

std::optional<Time> time_of(const json::object& message) {
  const json::object* stamp = object_at(message, "timestamp");
  if (!stamp) return std::nullopt;
  auto seconds = number_at(*stamp, "seconds");
  auto micros = number_at(*stamp, "microseconds");
  constexpr std::int64_t farthest = 8'000'000'000;  // the year 2223: nanoseconds still fit
  // QEMU says -1 where it has no time.
  if (!seconds || !micros || *seconds < 0 || *seconds > farthest || *micros < 0 || *micros > 999'999) return std::nullopt;
  return Time(std::chrono::seconds(*seconds) + std::chrono::microseconds(*micros));
}

}  // namespace

std::string command_line(std::string_view command, std::string_view id, const json::object& arguments) {
  json::object message{{"execute", command}, {"id", id}};
  if (!arguments.empty()) message["arguments"] = arguments;
  std::string line = json::serialize(message) + "\n";
  CHECK(line.size() <= PIPE_BUF);
  return line;
}

std::optional<QmpAnswer> answer_in(const json::object& message) {
  QmpAnswer answer;
  answer.id = text_at(message, "id");
  if (answer.id.empty()) return std::nullopt;
  if (const json::object* error = object_at(message, "error")) {
    answer.error_class = plain_words(text_at(*error, "class"));
    answer.error = plain_words(text_at(*error, "desc"));
    if (answer.error.empty()) answer.error = "no reason given";
    return answer;
  }
  const json::value* value = message.if_contains("return");
  if (!value) return std::nullopt;
  answer.value = *value;
  return answer;
}

std::optional<MonitorEvent> event_in(const json::object& message) {
  MonitorEvent event;
  std::string name = text_at(message, "event");
  if (name.empty()) return std::nullopt;
  for (const Known& entry : known) {
    if (name == entry.name) event.kind = entry.kind;
  }
  std::string reason;
  if (const json::object* data = object_at(message, "data")) reason = text_at(*data, "reason");
  event.text = plain_words(reason.empty() ? name : name + " " + reason);
  event.ends_boot = event.begins_boot = event.kind == Kind::reset;
  event.at = time_of(message);
  return event;
}

std::string version_in(const json::object& message) {
  const json::object* greeting = object_at(message, "QMP");
  const json::object* version = greeting ? object_at(*greeting, "version") : nullptr;
  const json::object* qemu = version ? object_at(*version, "qemu") : nullptr;
  if (!qemu) return {};
  auto major = number_at(*qemu, "major"), minor = number_at(*qemu, "minor"), micro = number_at(*qemu, "micro");
  return major && minor && micro ? fmt::format("{}.{}.{}", *major, *minor, *micro) : "";
}

Result<GuestState> state_in(const json::value& status) {
  const json::object* object = status.if_object();
  std::string word = object ? text_at(*object, "status") : "";
  if (word == "running") return GuestState::running;
  if (word == "prelaunch" || word == "inmigrate") return GuestState::created;
  if (word == "shutdown") return GuestState::stopped;
  if (word.empty()) return fail("the answer has no status");
  // paused, suspended, io-error, guest-panicked, debug, save-vm, …: it is there, and stands.
  return GuestState::paused;
}

}  // namespace vmline::vmm::qemu
