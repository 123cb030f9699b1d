// SPDX-License-Identifier: Apache-2.0
// Named pipes that both ends open read-write, so that neither ever sees the other go.
#pragma once
#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace vmline::os {

/// Makes the FIFO where it is missing and opens it read-write and non-blocking; what is there and no FIFO is an error.
Result<UniqueFd> open_fifo(const std::string& path);

/// Asks for a pipe buffer of `bytes`; the answer is what it has, which is less for ordinary users who have used their share.
std::size_t grow_pipe(int fd, std::size_t bytes);

}  // namespace vmline::os
