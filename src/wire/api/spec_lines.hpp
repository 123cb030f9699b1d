// SPDX-License-Identifier: Apache-2.0
// The parts of a spec that are about lines, to and from JSON: the lines, and what is looked for on them.
#pragma once
#include "wire/api/json_reader.hpp"
#include "wire/api/spec.hpp"

namespace vmline::api {

/// ready, matches and lines. What is there replaces what `spec` had of it.
void read_lines(ObjectReader& in, Spec& spec);
void write_lines(const Spec& spec, json::object& out);

}  // namespace vmline::api
