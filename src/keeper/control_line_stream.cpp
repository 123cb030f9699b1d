// SPDX-License-Identifier: Apache-2.0
// A line's stream over WebSocket; see control_line_stream.hpp.
#include "keeper/control_line_stream.hpp"

#include "keeper/control_json.hpp"
#include "wire/api/json_reader.hpp"

namespace vmline::keeper {
namespace {

/// {"type":"take"} is all that there is to say yet.
Result<> read_request(std::string_view text) {
  TRY_ASSIGN(json::value value, api::parse_json(text, limits::websocket_message));
  api::JsonErrors errors;
  api::ObjectReader reader(value, "", errors);
  std::string type;
  reader.text("type", type, 16);
  if (type != "take") reader.refuse("type", "is not \"take\"");
  reader.finish();
  return errors.result();
}

}  // namespace

LineSession::LineSession(std::shared_ptr<ControlContext> context, std::unique_ptr<Stream> stream, LineAccess access)
    : StreamSession(std::move(context)), stream_(std::move(stream)), access_(access) {}

asio::awaitable<std::string> LineSession::produce() {
  Closing closing{"the line's stream failed"};
  while (true) {
    std::optional<StreamItem> item = co_await wait_for(stream_->next());
    if (!item) {
      if (context().closing) closing.reason = *context().closing;
      break;
    }
    bool sent = true;
    if (const Bytes* bytes = std::get_if<Bytes>(&*item)) {
      if (!bytes->data.empty()) sent = co_await socket().send(WebSocket::Kind::bytes, bytes->data);
    } else if (Closing* last = std::get_if<Closing>(&*item)) {
      closing = std::move(*last);
      break;
    } else if (!bytes_alone()) {
      std::string text = to_text(to_json(*item));
      sent = co_await socket().send_text(text);
    }
    if (!sent) co_return std::string();
  }
  closing.reason = valid_utf8(std::move(closing.reason));
  if (!bytes_alone()) {
    std::string text = to_text(to_json(StreamItem(closing)));
    co_await socket().send_text(text);
  }
  co_return closing.reason;
}

asio::awaitable<std::optional<std::string>> LineSession::take(WebSocket::Message message) {
  std::optional<std::string> refused;
  if (message.kind == WebSocket::Kind::bytes || bytes_alone()) {
    co_await type(message.data);
    co_return refused;
  }
  auto request = read_request({reinterpret_cast<const char*>(message.data.data()), message.data.size()});
  if (!request) {
    refused = valid_utf8(request.error().sentence());
  } else if (access_ == LineAccess::read_only) {
    co_await refuse("this stream is read-only");
  } else if (auto taken = stream_->take(); !taken) {
    co_await refuse(taken.error().sentence());
  }
  co_return refused;
}

asio::awaitable<void> LineSession::type(std::span<const std::byte> data) {
  if (data.empty()) co_return;
  if (access_ == LineAccess::read_only) {
    co_await refuse("this stream is read-only");
    co_return;
  }
  Result<> typed = co_await stream_->type(data);
  if (!typed) co_await refuse(typed.error().sentence());
}

asio::awaitable<void> LineSession::refuse(std::string sentence) {
  if (bytes_alone()) co_return;
  std::string text = to_text(json::object{{"event", "refused"}, {"detail", sentence}});
  co_await socket().send_text(text);
}

}  // namespace vmline::keeper
