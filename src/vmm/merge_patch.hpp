// SPDX-License-Identifier: Apache-2.0
// JSON Merge Patch (RFC 7396): how a spec's monitor_config is laid over what a driver says itself. Pure.
#pragma once
#include <boost/json/value.hpp>

namespace vmline::vmm {

/// Objects are merged by their keys, null removes a key, and anything else (arrays too) takes the place of what was there.
void merge_patch(boost::json::value& target, const boost::json::value& patch);

}  // namespace vmline::vmm
