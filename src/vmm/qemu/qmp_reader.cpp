// SPDX-License-Identifier: Apache-2.0
// See qmp_reader.hpp.
#include "vmm/qemu/qmp_reader.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <string_view>

#include "base/limits.hpp"

namespace vmline::vmm::qemu {

void QmpReader::feed(std::span<const std::byte> bytes, const std::function<void(const boost::json::object&)>& each) {
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (!rest.empty()) {
    std::size_t end = rest.find('\n');
    std::string_view part = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (!skipping_) line_ += part;
    if (line_.size() > limits::monitor_answer) {
      line_.clear();
      skipping_ = true;
    }
    if (end == std::string_view::npos) return;
    if (!skipping_) {
      boost::system::error_code error;
      boost::json::value value = boost::json::parse(line_, error);
      if (!error && value.is_object()) each(value.get_object());
    }
    line_.clear();
    skipping_ = false;
  }
}

}  // namespace vmline::vmm::qemu
