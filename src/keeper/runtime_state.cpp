// SPDX-License-Identifier: Apache-2.0
// What the next keeper goes on from; see runtime_state.hpp.
#include "keeper/runtime_state.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>

#include "os/files.hpp"

namespace vmline::keeper {
namespace json = boost::json;
namespace {

constexpr std::size_t longest = 1u << 20;

std::int64_t count_of(Time time) { return time.time_since_epoch().count(); }
Time time_of(const json::value& value) { return Time(std::chrono::nanoseconds(value.to_number<std::int64_t>())); }
std::string text_of(const json::value& value) { return std::string(value.as_string()); }

RuntimeState read(const json::object& o) {
  RuntimeState s;
  s.state = text_of(o.at("state"));
  s.reason = text_of(o.at("reason"));
  s.since = time_of(o.at("since"));
  s.wanted = text_of(o.at("wanted"));
  s.stop_reason = text_of(o.at("stop_reason"));
  s.boot = o.at("boot").to_number<std::uint64_t>();
  if (auto* begun = o.if_contains("boot_begun")) s.boot_begun = begun->as_bool();
  s.binary = text_of(o.at("binary"));
  s.control_handled = o.at("control_handled").to_number<std::uint64_t>();
  s.keepers = o.at("keepers").to_number<std::uint64_t>();
  s.holders = o.at("holders").to_number<std::uint64_t>();
  s.restarts = o.at("restarts").to_number<std::uint64_t>();
  if (auto* m = o.if_contains("monitor")) {
    if (auto identity = os::ProcessIdentity::parse(m->as_string())) s.monitor = *identity;
  }
  if (auto* t = o.if_contains("monitor_started")) s.monitor_started = SteadyTime(std::chrono::nanoseconds(t->to_number<std::int64_t>()));
  if (auto* e = o.if_contains("exit_status")) s.exit_status = e->to_number<int>();
  if (auto* g = o.if_contains("signal")) s.signal = g->to_number<int>();
  for (const auto& entry : o.at("last_boots").as_object()) {
    const json::object& b = entry.value().as_object();
    s.last_boots[std::string(entry.key())] = line::Boot{.number = b.at("number").to_number<std::uint64_t>(),
                                                        .offset = b.at("offset").to_number<std::uint64_t>(),
                                                        .offset_low = b.at("offset_low").to_number<std::uint64_t>(),
                                                        .time = time_of(b.at("time")),
                                                        .cause = text_of(b.at("cause"))};
  }
  s.virtiofsd = text_of(o.at("virtiofsd"));
  s.again_cause = text_of(o.at("again_cause"));
  for (const json::value& tap : o.at("taps").as_array()) s.taps.push_back({text_of(tap.at("name")), text_of(tap.at("netns"))});
  for (const auto& entry : o.at("heard").as_object()) s.heard[std::string(entry.key())] = entry.value().to_number<Offset>();
  if (auto* r = o.if_contains("ready")) {
    s.ready = Readiness{text_of(r->at("line")), r->at("offset").to_number<Offset>(), r->at("boot").to_number<std::uint64_t>(),
                        text_of(r->at("address")), time_of(r->at("time"))};
  }
  for (const auto& line : o.at("connected").as_array()) s.connected.insert(text_of(line));
  for (const auto& entry : o.at("old_until").as_object()) s.old_until[std::string(entry.key())] = entry.value().to_number<Offset>();
  return s;
}

}  // namespace

Result<RuntimeState> RuntimeState::load(const std::string& memory_dir) {
  auto text = os::read_file(path(memory_dir), longest);
  if (!text) return std::unexpected(text.error().number() == ENOENT ? text.error().as(ErrorKind::not_found) : text.error());
  try {
    return read(json::parse(*text).as_object());
  } catch (const std::exception& e) {
    return fail(path(memory_dir) + " makes no sense: " + e.what());
  }
}

Result<> RuntimeState::save(const std::string& memory_dir) const {
  json::object boots, ends;
  json::object words;
  for (const auto& [line, offset] : heard) words[line] = offset;
  json::array sockets(connected.begin(), connected.end());
  for (const auto& [line, offset] : old_until) ends[line] = offset;
  for (const auto& [line, b] : last_boots) {
    boots[line] = {
        {"number", b.number}, {"offset", b.offset}, {"offset_low", b.offset_low}, {"time", count_of(b.time)}, {"cause", b.cause}};
  }
  json::object o{{"state", state},           {"reason", reason},           {"since", count_of(since)},
                 {"wanted", wanted},         {"stop_reason", stop_reason}, {"boot", boot},
                 {"boot_begun", boot_begun}, {"binary", binary},           {"control_handled", control_handled},
                 {"keepers", keepers},       {"holders", holders},         {"restarts", restarts},
                 {"last_boots", boots},      {"old_until", ends},          {"connected", sockets}};
  o["heard"] = words;
  o["virtiofsd"] = virtiofsd;
  o["again_cause"] = again_cause;
  json::array own_taps;
  for (const OwnTap& tap : taps) own_taps.push_back({{"name", tap.name}, {"netns", tap.netns}});
  o["taps"] = own_taps;
  if (ready) {
    o["ready"] = {{"line", ready->line},
                  {"offset", ready->offset},
                  {"boot", ready->boot},
                  {"address", ready->address},
                  {"time", count_of(ready->time)}};
  }
  if (monitor) o["monitor"] = monitor->line();
  if (monitor_started) o["monitor_started"] = monitor_started->time_since_epoch().count();
  if (exit_status) o["exit_status"] = *exit_status;
  if (signal) o["signal"] = *signal;
  return os::write_file(path(memory_dir), json::serialize(o));
}

}  // namespace vmline::keeper
