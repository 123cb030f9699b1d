// SPDX-License-Identifier: Apache-2.0
// What fields of a spec say about each other: what its driver has a use for, what may be there only once, what excludes what.
#pragma once
#include "wire/api/json_reader.hpp"
#include "wire/api/spec.hpp"

namespace vmline::api {

/// What a driver would ignore is an error. `document` is what was read, for the values in errors.
void check_driver(const json::value& document, const Spec& spec, JsonErrors& errors);
/// Whatever the driver. `at` is where the spec lies in the document: "" or "/defaults".
void check_together(const json::value& document, const std::string& at, const Spec& spec, JsonErrors& errors);

/// Whether this driver can have a use for a field of the spec.
[[nodiscard]] bool is_for(std::string_view field, DriverKind driver);

}  // namespace vmline::api
