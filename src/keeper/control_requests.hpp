// SPDX-License-Identifier: Apache-2.0
// What each request is answered, without the HTTP around it.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "keeper/control_context.hpp"
#include "keeper/control_routes.hpp"
#include "keeper/control_session.hpp"
#include "keeper/control_target.hpp"

namespace vmline::keeper {

struct Answer {
  unsigned status = 200;
  std::string body;
  std::string_view content_type = "application/json";
  std::string allow;  ///< of a 405
};

[[nodiscard]] Answer problem_answer(unsigned status, std::string_view sentence);
[[nodiscard]] Answer problem_answer(const Error& error);

struct ControlRequest {
  RouteMatch match;
  Target target;
  std::string body;
  std::string who;  ///< "api:pid=42,uid=1000"
};

/// All but commands, input and streams: answered from memory, at once.
[[nodiscard]] Answer answer_from_memory(ControlContext& context, const ControlRequest& request);

/// stop, kill, reboot, reset. The command goes on when nobody waits for the answer any more.
asio::awaitable<Answer> run_command(std::shared_ptr<ControlContext> context, const ControlRequest& request);

/// Types the body. Cancelled by asio's (terminal) cancellation, then it throws or answers with an error. `stream` is the caller's, to
/// destroy when this has ended.
asio::awaitable<Answer> type_input(ControlContext& context, const ControlRequest& request, std::unique_ptr<Stream>& stream);

/// The session for a WebSocket route, still to be started; or why there is none.
Result<std::shared_ptr<StreamSession>> make_session(const std::shared_ptr<ControlContext>& context, const ControlRequest& request);

}  // namespace vmline::keeper
