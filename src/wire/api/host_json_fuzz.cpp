// SPDX-License-Identifier: Apache-2.0
// Any bytes as the host's file: an error, or defaults that make a spec for every driver without one.
#include "wire/api/host_json.hpp"

#include <cstddef>
#include <cstdint>

#include "base/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vmline::api;
  auto host = parse_host_file({reinterpret_cast<const char*>(data), size});
  if (!host) {
    CHECK(!host.error().sentence().empty() && host.error().sentence().size() < 1500);
    return 0;
  }
  for (DriverKind kind : {DriverKind::qemu, DriverKind::cloud_hypervisor, DriverKind::firecracker, DriverKind::exec, DriverKind::none}) {
    Spec spec = spec_of_defaults(*host, kind, {}, "/");
    CHECK(spec.driver == kind && !spec.lines.empty());
    (void)check_limits(host->limits, spec);
  }
  return 0;
}
