// SPDX-License-Identifier: Apache-2.0
// What every command is given: where VMs lie, and how to find one.
#pragma once
#include "cli/finder.hpp"
#include "os/places.hpp"

namespace vmline::cli {

struct Context {
  explicit Context(os::Places the_places);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const os::Places places;
  const Finder finder;
};

/// NAME or NAME/LINE.
struct LineName {
  std::string vm;
  std::string line;  ///< empty: the first
  static Result<LineName> parse(std::string_view text);
};

/// The line's name as the VM has it. Where there is none of that name the keeper says so.
[[nodiscard]] std::string line_of(const LineName& name, const boost::json::object& vm);

}  // namespace vmline::cli
