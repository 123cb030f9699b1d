// SPDX-License-Identifier: Apache-2.0
// A plan to look at: what would be made, started and asked, as text for people and as JSON for programs. Pure.
#pragma once
#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/driver.hpp"

namespace vmline::cli {

struct PlanView {
  api::Spec spec;
  vmm::Endpoints endpoints;
  vmm::Plan plan;
  std::vector<vmm::ApiRequest> requests;
  std::vector<std::string> notes;  ///< what the plan cannot know yet
};

[[nodiscard]] std::string plan_text(const PlanView& view);
/// Without the environment: it is the caller's own, secrets and all.
[[nodiscard]] boost::json::object plan_json(const PlanView& view);

/// One word of a shell's command line.
[[nodiscard]] std::string shell_quoted(std::string_view word);

}  // namespace vmline::cli
