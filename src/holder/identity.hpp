// SPDX-License-Identifier: Apache-2.0
// A child writes down who it is before its exec, so that it can be found again when everything of ours is gone: "PID START BOOTID\n".
#pragma once

namespace vmline::holder {

/// This process's pid, start time and the host's boot id, whole or not at all: written beside `path` and renamed. False with errno.
bool write_identity(const char* path);

}  // namespace vmline::holder
