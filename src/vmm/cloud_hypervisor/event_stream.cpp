// SPDX-License-Identifier: Apache-2.0
// See event_stream.hpp.
#include "vmm/cloud_hypervisor/event_stream.hpp"

#include <array>
#include <boost/json.hpp>
#include <string_view>

#include "base/limits.hpp"
#include "vmm/words.hpp"

namespace vmline::vmm::cloud_hypervisor {
namespace {

namespace json = boost::json;
using Kind = MonitorEvent::Kind;

struct Known {
  std::string_view words;
  Kind kind;
};
constexpr std::array<Known, 10> known = {{{"vm booted", Kind::booted},
                                          {"vm rebooting", Kind::rebooting},
                                          {"vm rebooted", Kind::rebooted},
                                          {"vm shutdown", Kind::shutdown},
                                          {"vm paused", Kind::paused},
                                          {"vm resumed", Kind::resumed},
                                          {"vm restored", Kind::booted},
                                          {"vmm shutdown", Kind::stopped},
                                          {"guest panic", Kind::panicked},
                                          {"guest crash_loaded", Kind::panicked}}};

std::optional<std::uint64_t> number(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (!value || !value->is_int64() || value->get_int64() < 0) return std::nullopt;
  return static_cast<std::uint64_t>(value->get_int64());
}

std::optional<Time> time_of(const json::object& event, std::optional<Time> started) {
  const json::value* stamp = event.if_contains("timestamp");
  if (!started || !stamp || !stamp->is_object()) return std::nullopt;
  auto seconds = number(stamp->get_object(), "secs");
  auto nanos = number(stamp->get_object(), "nanos");
  constexpr std::uint64_t century = 3'200'000'000;  // beyond it the sum below could overflow
  if (!seconds || !nanos || *seconds > century || *nanos > 1'000'000'000) return std::nullopt;
  return *started + std::chrono::seconds(*seconds) + std::chrono::nanoseconds(*nanos);
}

}  // namespace

std::vector<MonitorEvent> EventStream::feed(std::span<const std::byte> bytes) {
  std::vector<MonitorEvent> events;
  for (std::byte byte : bytes) take(static_cast<char>(byte), events);
  return events;
}

void EventStream::take(char c, std::vector<MonitorEvent>& events) {
  bool starts_line = line_start_;
  line_start_ = c == '\n';
  if (starts_line && c == '{') {
    object_.clear();
    depth_ = 0;
    in_text_ = escaped_ = false;
  }
  if (depth_ == 0 && c != '{') return;
  if (object_.size() >= limits::monitor_event) {
    object_.clear();
    depth_ = 0;
    in_text_ = escaped_ = false;
    return;
  }
  object_ += c;
  if (in_text_) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_text_ = false;
    }
    return;
  }
  if (c == '"') in_text_ = true;
  if (c == '{') ++depth_;
  if (c == '}' && --depth_ == 0) {
    if (auto event = read()) events.push_back(std::move(*event));
    object_.clear();
  }
}

std::optional<MonitorEvent> EventStream::read() const {
  boost::system::error_code error;
  json::value value = json::parse(object_, error);
  if (error || !value.is_object()) return std::nullopt;
  const json::object& object = value.get_object();
  const json::value* source = object.if_contains("source");
  const json::value* name = object.if_contains("event");
  if (!source || !source->is_string() || !name || !name->is_string()) return std::nullopt;
  MonitorEvent event;
  event.text = plain_words(std::string(source->get_string()) + " " + std::string(name->get_string()));
  for (const Known& entry : known) {
    if (event.text == entry.words) event.kind = entry.kind;
  }
  // After a shutdown by its API the monitor stays, and may be asked to boot again.
  event.ends_boot = event.kind == Kind::rebooting || event.kind == Kind::shutdown;
  event.begins_boot = event.kind == Kind::rebooted;
  event.at = time_of(object, started_);
  return event;
}

}  // namespace vmline::vmm::cloud_hypervisor
