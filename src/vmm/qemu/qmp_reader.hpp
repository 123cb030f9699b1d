// SPDX-License-Identifier: Apache-2.0
// QMP's stream: one JSON object a line. Fed in any pieces; what is no such line, or too long a one, is skipped.
#pragma once
#include <boost/json/object.hpp>
#include <cstddef>
#include <functional>
#include <span>
#include <string>

namespace vmline::vmm::qemu {

class QmpReader {
 public:
  /// Calls `each` for every object that the bytes complete.
  void feed(std::span<const std::byte> bytes, const std::function<void(const boost::json::object&)>& each);
  /// Bytes of the line that has not ended yet.
  [[nodiscard]] std::size_t unfinished() const { return line_.size(); }

 private:
  std::string line_;
  bool skipping_ = false;  ///< to the end of a line that was too long
};

}  // namespace vmline::vmm::qemu
