// SPDX-License-Identifier: Apache-2.0
// Rows as columns of text, as wide as their widest cell. Pure.
#pragma once
#include <string>
#include <vector>

namespace vmline::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> heads);
  /// As many cells as there are heads.
  void add(std::vector<std::string> cells);
  /// One line per row, two blanks between columns, none at a line's end. The heads are left out where nothing was added.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;  ///< the heads first
};

}  // namespace vmline::cli
