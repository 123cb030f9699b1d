// SPDX-License-Identifier: Apache-2.0
// A monitor's own words, fit for one line of ours: no control characters, no more than fits an error.
#pragma once
#include <string>
#include <string_view>

namespace vmline::vmm {

[[nodiscard]] std::string plain_words(std::string_view text);

}  // namespace vmline::vmm
