// SPDX-License-Identifier: Apache-2.0
// Events over WebSocket; see control_event_stream.hpp.
#include "keeper/control_event_stream.hpp"

#include "keeper/control_json.hpp"

namespace vmline::keeper {

constexpr std::size_t events_at_a_time = 64;

EventSession::EventSession(std::shared_ptr<ControlContext> context, std::uint64_t from) : StreamSession(std::move(context)), next_(from) {}

asio::awaitable<std::string> EventSession::produce() {
  EventSource& source = context().vm.events();
  while (!context().closing) {
    std::vector<Event> events = source.since(next_, events_at_a_time);
    if (events.empty()) {
      std::optional<bool> more = co_await wait_for(source.wait(next_));
      if (!more || !*more) break;
    }
    for (const Event& event : events) {
      std::string text = to_text(to_json(event));
      bool sent = co_await socket().send_text(text);
      if (!sent) co_return std::string();
      next_ = event.sequence + 1;
    }
  }
  co_return context().closing ? valid_utf8(*context().closing) : std::string("the keeper closes");
}

asio::awaitable<std::optional<std::string>> EventSession::take(WebSocket::Message) {
  co_return std::optional<std::string>("nothing is taken on this stream");
}

}  // namespace vmline::keeper
