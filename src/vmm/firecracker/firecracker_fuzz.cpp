// SPDX-License-Identifier: Apache-2.0
// Any text as monitor_config, and any answer: no request gets a target that HTTP would read as something else, nothing crashes.
#include <cstdint>
#include <string>

#include "base/check.hpp"
#include "vmm/firecracker/answer.hpp"
#include "vmm/firecracker/requests.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vmline::vmm::firecracker;
  vmline::api::Spec spec;
  spec.kernel = "/k";
  spec.monitor_config.assign(reinterpret_cast<const char*>(data), size);
  if (auto requests = config_requests(spec, {})) {
    constexpr const char* allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/";
    for (const Put& request : *requests) {
      CHECK(request.target.starts_with('/') && request.target.find_first_not_of(allowed) == std::string::npos);
      CHECK(request.target != "/actions" && request.target != "/vm");
    }
  }
  (void)vsock_path(spec);
  (void)refusal(spec.monitor_config);
  (void)state_in(spec.monitor_config);
  (void)is_configured(spec.monitor_config);
  return 0;
}
