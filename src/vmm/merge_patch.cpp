// SPDX-License-Identifier: Apache-2.0
// See merge_patch.hpp. How deep it recurses is limited by the parser that made the patch (32 levels).
#include "vmm/merge_patch.hpp"

#include <boost/json/object.hpp>

namespace vmline::vmm {

namespace json = boost::json;

void merge_patch(json::value& target, const json::value& patch) {
  if (!patch.is_object()) {
    target = patch;
    return;
  }
  if (!target.is_object()) target.emplace_object();
  json::object& members = target.get_object();
  for (const auto& [key, value] : patch.get_object()) {
    if (value.is_null()) {
      // Not erase(): it puts the last member in its place, and the order is what the tests pin.
      if (auto found = members.find(key); found != members.end()) members.stable_erase(found);
    } else {
      merge_patch(members[key], value);
    }
  }
}

}  // namespace vmline::vmm
