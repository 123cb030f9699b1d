// SPDX-License-Identifier: Apache-2.0
// Lays a planned process into the memfd that the holder starts it from (wire/holder/start_record.hpp).
#pragma once
#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "vmm/plan.hpp"

namespace vmline::keeper {

/// `identity`: the file into which the child writes who it is, before its exec.
Result<UniqueFd> make_start_record(const vmm::Process& process, const std::string& identity);

}  // namespace vmline::keeper
