// SPDX-License-Identifier: Apache-2.0
// Whether a request may become a WebSocket, and which subprotocol it gets. Checked here, so that Beast's own refusals never occur.
#pragma once
#include <expected>
#include <string>

#include "keeper/control_requests.hpp"
#include "keeper/control_websocket.hpp"

namespace vmline::keeper {

/// The subprotocol, empty where the client offers none (then it is vmline.v1 without saying so); or the problem.
[[nodiscard]] std::expected<std::string, Answer> read_upgrade(const UpgradeRequest& request, Route route);

}  // namespace vmline::keeper
