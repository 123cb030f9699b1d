// SPDX-License-Identifier: Apache-2.0
// Lays a planned process into the memfd that the holder starts it from (wire/holder/start_record.hpp), and says in words at what of it a
// start has failed.
#pragma once
#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "vmm/plan.hpp"

namespace vmline::keeper {

/// `identity`: the file into which the child writes who it is, before its exec.
Result<UniqueFd> make_start_record(const vmm::Process& process, const std::string& identity);

/// Of a start from this record that the holder has answered with a failure: the step that failed (`a` of its `started`), the thing in the
/// record that it failed on, and the errno `number`.
Error start_failure(int record, std::int64_t step, int number);

}  // namespace vmline::keeper
