// SPDX-License-Identifier: Apache-2.0
// How a start that fails here is told to the command that waits for it: one line of JSON on the descriptor of --report.
#pragma once

namespace vmline::holder {

/// {"result":"error","kind":KIND,"detail":DETAIL}
void report_error(int fd, const char* kind, const char* detail);

}  // namespace vmline::holder
