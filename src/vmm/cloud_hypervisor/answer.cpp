// SPDX-License-Identifier: Apache-2.0
// See answer.hpp.
#include "vmm/cloud_hypervisor/answer.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "vmm/words.hpp"

namespace vmline::vmm::cloud_hypervisor {
namespace {

namespace json = boost::json;
constexpr std::string_view preamble = "Error from API";

}  // namespace

std::string refusal(std::string_view body) {
  boost::system::error_code error;
  json::value value = json::parse({body.data(), body.size()}, error);
  std::string text;
  if (!error && value.is_array()) {
    std::string last;
    for (const json::value& cause : value.get_array()) {
      if (!cause.is_string()) continue;
      std::string words(cause.get_string());
      // Each cause repeats the ones below it, now and then.
      if (words == preamble || (!last.empty() && last.ends_with(words))) continue;
      text += (text.empty() ? "" : ": ") + words;
      last = std::move(words);
    }
  } else {
    if (body.starts_with(preamble)) body.remove_prefix(preamble.size());
    while (body.starts_with(':') || body.starts_with(' ')) body.remove_prefix(1);
    text = body;
  }
  text = plain_words(text);
  return text.empty() ? "no reason given" : text;
}

Result<GuestState> state_in(const HttpAnswer& info) {
  if (info.status >= 400) {
    // 404 or 500, by version.
    if (info.body.find("not created") != std::string::npos || info.status == 404) return GuestState::none;
    return fail(fmt::format("status {}: {}", info.status, refusal(info.body)));
  }
  boost::system::error_code error;
  json::value value = json::parse(info.body, error);
  const json::value* state = !error && value.is_object() ? value.get_object().if_contains("state") : nullptr;
  if (!state || !state->is_string()) return fail("the answer has no state");
  std::string_view word = state->get_string();
  if (word == "Created") return GuestState::created;
  if (word == "Running") return GuestState::running;
  if (word == "Shutdown") return GuestState::stopped;
  if (word == "Paused" || word == "BreakPoint") return GuestState::paused;
  return fail("the state is unknown: " + plain_words(word));
}

}  // namespace vmline::vmm::cloud_hypervisor
