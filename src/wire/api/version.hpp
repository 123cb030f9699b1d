// SPDX-License-Identifier: Apache-2.0
// The version of these programs, as `--version`, the API and CMake (which reads it from here) tell it.
#pragma once

namespace vmline::api {
inline constexpr const char* version = "0.1.0";
}
