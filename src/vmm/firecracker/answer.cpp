// SPDX-License-Identifier: Apache-2.0
// See answer.hpp.
#include "vmm/firecracker/answer.hpp"

#include <boost/json.hpp>

#include "vmm/words.hpp"

namespace vmline::vmm::firecracker {
namespace {

namespace json = boost::json;

/// The string at `key` in a JSON object; empty: there is none.
std::string text_at(const json::value& value, std::string_view key) {
  const json::value* found = value.is_object() ? value.get_object().if_contains(key) : nullptr;
  return found && found->is_string() ? std::string(found->get_string()) : std::string();
}

json::value parsed(std::string_view body) {
  boost::system::error_code error;
  json::value value = json::parse({body.data(), body.size()}, error);
  return error ? json::value() : value;
}

}  // namespace

std::string refusal(std::string_view body) {
  std::string text = text_at(parsed(body), "fault_message");
  text = plain_words(text.empty() ? body : std::string_view(text));
  return text.empty() ? "no reason given" : text;
}

Result<GuestState> state_in(std::string_view body) {
  std::string state = text_at(parsed(body), "state");
  if (state.empty()) return fail("the answer has no state");
  if (state == "Not started") return GuestState::created;
  if (state == "Running") return GuestState::running;
  if (state == "Paused") return GuestState::paused;
  return fail("the state is unknown: " + plain_words(state));
}

bool is_configured(std::string_view body) {
  json::value config = parsed(body);
  const json::value* source = config.is_object() ? config.get_object().if_contains("boot-source") : nullptr;
  return source && !text_at(*source, "kernel_image_path").empty();
}

}  // namespace vmline::vmm::firecracker
