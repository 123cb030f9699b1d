// SPDX-License-Identifier: Apache-2.0
// One HTTP connection: requests one after the other, each with its limits and times, until it ends or becomes a WebSocket.
#pragma once
#include <memory>

#include "keeper/control_context.hpp"

namespace vmline::keeper {

enum class Admission { served, refused };  ///< refused: whatever is asked is answered with 503

/// Takes the connection over; it lives until it ends.
void serve_http(std::shared_ptr<ControlContext> context, ControlSocket socket, Admission admission);

}  // namespace vmline::keeper
