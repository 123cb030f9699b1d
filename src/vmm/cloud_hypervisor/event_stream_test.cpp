// SPDX-License-Identifier: Apache-2.0
// Claims about Cloud Hypervisor's event stream and its answers, with bytes as 46.0 to HEAD write them.
#include "vmm/cloud_hypervisor/event_stream.hpp"

#include <gtest/gtest.h>

#include "vmm/cloud_hypervisor/answer.hpp"

namespace vmline::vmm::cloud_hypervisor {
namespace {

using Kind = MonitorEvent::Kind;

std::string event(const std::string& source, const std::string& name, const std::string& properties = "null") {
  return "{\n  \"timestamp\": {\n    \"secs\": 1,\n    \"nanos\": 500000000\n  },\n  \"source\": \"" + source + "\",\n  \"event\": \"" +
         name + "\",\n  \"properties\": " + properties + "\n}\n\n";
}
std::vector<MonitorEvent> feed(EventStream& stream, std::string_view text) { return stream.feed(std::as_bytes(std::span(text))); }
std::string words(const std::vector<MonitorEvent>& events) {
  std::string out;
  for (const MonitorEvent& one : events) out += one.text + (one.ends_boot ? "<" : "") + (one.begins_boot ? ">" : "") + ";";
  return out;
}

const std::string reboot = event("vmm", "starting") + event("vm", "booted") +
                           event("virtio-device", "activated", "{\n    \"id\": \"_d{is\\\"k0\"\n  }") + event("vm", "rebooting") +
                           event("vm", "rebooted");
constexpr std::string_view reboot_words = "vmm starting;vm booted;virtio-device activated;vm rebooting<;vm rebooted>;";

TEST(EventStream, ReadsEventsCutAtEveryByte) {
  for (std::size_t cut = 0; cut <= reboot.size(); ++cut) {
    EventStream stream;
    auto events = feed(stream, std::string_view(reboot).substr(0, cut));
    auto more = feed(stream, std::string_view(reboot).substr(cut));
    events.insert(events.end(), more.begin(), more.end());
    ASSERT_EQ(words(events), reboot_words) << "cut at " << cut;
  }
  EventStream stream;
  std::vector<MonitorEvent> events;
  for (char c : reboot) {
    auto more = feed(stream, {&c, 1});
    events.insert(events.end(), more.begin(), more.end());
  }
  EXPECT_EQ(words(events), reboot_words);
}

TEST(EventStream, KnowsWhatTheyMean) {
  EventStream stream;
  stream.set_started(Time(std::chrono::seconds(1000)));
  auto events = feed(stream, reboot + event("vmm", "shutdown") + event("guest", "panic") + event("vm", "paused") + event("vm", "shutdown"));
  ASSERT_EQ(events.size(), 9u);
  EXPECT_EQ(events[0].kind, Kind::other);
  EXPECT_EQ(events[1].kind, Kind::booted);
  EXPECT_EQ(events[3].kind, Kind::rebooting);
  EXPECT_EQ(events[4].kind, Kind::rebooted);
  EXPECT_EQ(events[5].kind, Kind::stopped);
  EXPECT_EQ(events[6].kind, Kind::panicked);
  EXPECT_EQ(events[7].kind, Kind::paused);
  EXPECT_TRUE(events[8].ends_boot && !events[8].begins_boot);
  EXPECT_EQ(events[0].at, Time(std::chrono::milliseconds(1001500)));
}

TEST(EventStream, GoesOnAfterAnEventThatWasCutOffWhereverThatWas) {
  // A full FIFO: the rest of an event is missing, the next one follows.
  const std::string one = event("virtio-device", "activated", "{\n    \"id\": \"_disk0\"\n  }");
  for (std::size_t cut = 0; cut < one.size(); ++cut) {
    EventStream stream;
    auto events = feed(stream, one.substr(0, cut) + "\n\n" + event("vm", "rebooting"));
    ASSERT_FALSE(events.empty()) << "cut at " << cut;
    ASSERT_EQ(events.back().text, "vm rebooting") << "cut at " << cut;
  }
}

TEST(EventStream, SkipsWhatIsNoEvent) {
  EventStream stream;
  EXPECT_EQ(words(feed(stream, std::string("\xff\0}}}\n][\"", 9))), "");
  EXPECT_EQ(words(feed(stream, "\n{}\n{\"event\":1,\"source\":2}\n{\"event\":\"x\"}\n" + event("vm", "booted"))), "vm booted;");
  EXPECT_EQ(words(feed(stream, "{\n" + std::string(1 << 20, '"') + "\n" + event("vm", "paused"))), "vm paused;");
  EXPECT_EQ(words(feed(stream, std::string(100000, '{') + "\n" + event("vm", "resumed"))), "vm resumed;");
}

TEST(EventStream, TakesNoTimeFromNonsense) {
  EventStream stream;
  stream.set_started(Time(std::chrono::seconds(1000)));
  auto events = feed(stream, "{\"source\":\"vm\",\"event\":\"booted\",\"timestamp\":{\"secs\":18446744073709551615,\"nanos\":-1}}");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_FALSE(events[0].at);
}

TEST(CloudHypervisorAnswer, ARefusalIsASentenceInEveryVersion) {
  EXPECT_EQ(refusal("Error from API: The VM could not boot: Cannot load the kernel"), "The VM could not boot: Cannot load the kernel");
  EXPECT_EQ(refusal(R"(["Error from API","The VM could not boot","Kernel Loader: Invalid bzImage","Invalid bzImage"])"),
            "The VM could not boot: Kernel Loader: Invalid bzImage");
  EXPECT_EQ(refusal(""), "no reason given");
  EXPECT_EQ(refusal("[1,null]"), "no reason given");
  EXPECT_EQ(refusal("a\x1b[31mb\r\n"), "a [31mb");
  EXPECT_LT(refusal(std::string(1 << 20, 'x')).size(), 1010u);
}

TEST(CloudHypervisorAnswer, StatesAreRead) {
  EXPECT_EQ(state_in({200, R"({"config":{},"state":"Created"})"}).value(), GuestState::created);
  EXPECT_EQ(state_in({200, R"({"state":"Running"})"}).value(), GuestState::running);
  EXPECT_EQ(state_in({200, R"({"state":"Shutdown"})"}).value(), GuestState::stopped);
  EXPECT_EQ(state_in({404, "[\"Error from API\",\"The VM info is not available\",\"VM is not created\"]"}).value(), GuestState::none);
  EXPECT_EQ(state_in({500, "Error from API: The VM info is not available: VM is not created"}).value(), GuestState::none);
  for (const char* body : {"", "{}", "[]", "null", R"({"state":1})", R"({"state":"Odd"})"}) EXPECT_FALSE(state_in({200, body})) << body;
  EXPECT_EQ(state_in({500, "Error from API: broken"}).error().sentence(), "status 500: broken");
}

}  // namespace
}  // namespace vmline::vmm::cloud_hypervisor
