// SPDX-License-Identifier: Apache-2.0
// The requests that make a VM, pinned, and what of monitor_config comes into them.
#include "vmm/firecracker/requests.hpp"

#include <gtest/gtest.h>

namespace vmline::vmm::firecracker {
namespace {

api::Spec bare_spec() {
  api::Spec spec;
  spec.name = "web1";
  spec.driver = api::DriverKind::firecracker;
  spec.kernel = "/k";
  spec.memory = 64u << 20;
  spec.lines.emplace_back();
  return spec;
}
using Puts = std::vector<Put>;
Puts requests(const api::Spec& spec, const std::string& seed = "") {
  Endpoints endpoints;
  endpoints.seed = seed;
  auto made = config_requests(spec, endpoints);
  return made ? *made : Puts{{"error", made.error().sentence()}};
}
std::string refused(const char* monitor_config) {
  api::Spec spec = bare_spec();
  spec.monitor_config = monitor_config;
  Puts made = requests(spec);
  return made[0].target == "error" ? made[0].body : "taken";
}

const Put machine{"/machine-config", R"({"vcpu_count":1,"mem_size_mib":64})"};
const Put boot{"/boot-source", R"({"kernel_image_path":"/k","boot_args":"console=ttyS0 reboot=k panic=1"})"};

TEST(FirecrackerRequests, MakeTheSmallestVm) { EXPECT_EQ(requests(bare_spec()), (Puts{machine, boot})); }

TEST(FirecrackerRequests, AddNothingToACommandLineOfTheUsers) {
  api::Spec spec = bare_spec();
  spec.cmdline = "quiet";
  spec.initramfs = "/i";
  EXPECT_EQ(requests(spec), (Puts{machine, {"/boot-source", R"({"kernel_image_path":"/k","boot_args":"quiet","initrd_path":"/i"})"}}));
}

TEST(FirecrackerRequests, PutRootDiskSeedAndDisksInThisOrderAndNetworksAfterThem) {
  api::Spec spec = bare_spec();
  spec.cmdline = "";
  spec.cpus = 4;
  spec.root_disk = api::Disk{"/root,\"disk", "raw", false};
  spec.disks = {{"/a", "raw", true}, {"/b", "raw", false}};
  spec.networks = {{.tap = "tap0", .mac = "02:00:00:00:00:01", .bridge = "", .ours = {}},
                   {.tap = "tap1", .mac = "02:00:00:00:00:02", .bridge = "", .ours = {}}};
  EXPECT_EQ(
      requests(spec, "/seed.iso"),
      (Puts{
          {"/machine-config", R"({"vcpu_count":4,"mem_size_mib":64})"},
          {"/drives/disk0",
           R"({"drive_id":"disk0","path_on_host":"/root,\"disk","is_root_device":false,"is_read_only":false,"cache_type":"Writeback"})"},
          {"/drives/disk1",
           R"({"drive_id":"disk1","path_on_host":"/seed.iso","is_root_device":false,"is_read_only":true,"cache_type":"Unsafe"})"},
          {"/drives/disk2", R"({"drive_id":"disk2","path_on_host":"/a","is_root_device":false,"is_read_only":true,"cache_type":"Unsafe"})"},
          {"/drives/disk3",
           R"({"drive_id":"disk3","path_on_host":"/b","is_root_device":false,"is_read_only":false,"cache_type":"Writeback"})"},
          {"/network-interfaces/net0", R"({"iface_id":"net0","host_dev_name":"tap0","guest_mac":"02:00:00:00:00:01"})"},
          {"/network-interfaces/net1", R"({"iface_id":"net1","host_dev_name":"tap1","guest_mac":"02:00:00:00:00:02"})"},
          {"/boot-source", R"({"kernel_image_path":"/k","boot_args":""})"}}));
}

TEST(FirecrackerRequests, MergeMonitorConfigSectionBySection) {
  api::Spec spec = bare_spec();
  spec.monitor_config =
      R"({"vsock":{"guest_cid":3,"uds_path":"/v"},"boot-source":{"boot_args":null},"entropy":{},"logger":{"level":"Debug"},
    "machine-config":{"huge_pages":"2M"},"mmds-config":{"version":"V2"},"memory-hotplug":{"total_size_mib":1024},"cpu-config":{},
    "drives":[{"drive_id":"mine","path_on_host":"/m","is_root_device":true}],"pmem":[{"id":"p0","path_on_host":"/p"}],"balloon":null})";
  EXPECT_EQ(requests(spec), (Puts{{"/logger", R"({"level":"Debug"})"},
                                  {"/machine-config", R"({"vcpu_count":1,"mem_size_mib":64,"huge_pages":"2M"})"},
                                  {"/cpu-config", "{}"},
                                  {"/drives/mine", R"({"drive_id":"mine","path_on_host":"/m","is_root_device":true})"},
                                  {"/mmds/config", R"({"version":"V2"})"},
                                  {"/vsock", R"({"guest_cid":3,"uds_path":"/v"})"},
                                  {"/entropy", "{}"},
                                  {"/hotplug/memory", R"({"total_size_mib":1024})"},
                                  {"/pmem/p0", R"({"id":"p0","path_on_host":"/p"})"},
                                  {"/boot-source", R"({"kernel_image_path":"/k"})"}}));
  EXPECT_EQ(vsock_path(spec).value(), "/v");
}

TEST(FirecrackerRequests, RefuseWhatIsNoSection) {
  EXPECT_EQ(refused("[]"), "monitor_config is not a JSON object");
  EXPECT_EQ(refused("{"), "monitor_config is not a JSON object");
  EXPECT_EQ(refused(R"({"actions":{"action_type":"InstanceStart"}})"),
            R"(monitor_config "actions": is no section of firecracker's configuration)");
  EXPECT_EQ(refused("{\"a b\\r\\nX: y\":{}}"), R"(monitor_config "a b\r\nX: y": is no section of firecracker's configuration)");
  EXPECT_EQ(refused(R"({"entropy":1})"), R"(monitor_config "entropy": expected an object, or an array of objects)");
  EXPECT_EQ(refused(R"({"serial":{"serial_out_path":"/x"}})"),
            R"(monitor_config "serial": serial_out_path would take the line away from vmline)");
  EXPECT_EQ(refused(R"({"serial":{"rate_limiter":{}}})"), "taken");
  for (const char* drives : {R"({"drives":[1]})", R"({"drives":[{}]})", R"({"drives":[{"drive_id":"a/b"}]})"}) {
    EXPECT_NE(refused(drives).find("expected an id of letters"), std::string::npos) << drives;
  }
  api::Spec spec = bare_spec();
  spec.monitor_config = R"({"vsock":{"uds_path":"v"}})";
  EXPECT_FALSE(vsock_path(spec));
}

}  // namespace
}  // namespace vmline::vmm::firecracker
