// SPDX-License-Identifier: Apache-2.0
// Claims about what a spec's devices, surroundings and rules may be: every hostile value is one clear error, by its pointer.
#include "wire/api/spec_devices.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "wire/api/spec_json.hpp"

namespace vmline::api {
namespace {

Result<Spec> read(std::string_view fields) { return parse_spec(R"({"schema":"vmline.vm/v1","name":"web1",)" + std::string(fields) + "}"); }
std::string refused(std::string_view fields) {
  auto spec = read(fields);
  return spec ? "taken" : spec.error().sentence();
}
std::string text_of(std::string_view text) { return json::serialize(json::value(text)); }

// What people and scripts really put into names, and what shells, option strings, JSON and file systems trip over.
const std::vector<std::string>& hostile() {
  static const std::vector<std::string> values = {
      "a,b",      "a\"b",   "a'b",  "a\nb",      "a b", "../a", "..",    ".", "a/b", "a\tb", "\x1b[31m", std::string(300, 'x'),
      "a\u00a0b", "\u2028", "a\\b", "$(reboot)", "a;b", "-a",   "a\x7f", "ä", "%d",  "a:b",  "",         std::string("a\0b", 3)};
  return values;
}

TEST(SpecDevices, TakesTheNamesOfInterfacesThatTheKernelTakes) {
  for (const char* name : {"tap0", "a", "vm-web1.0", "123456789012345", "a,b"}) EXPECT_TRUE(is_interface_name(name)) << name;
  for (const char* name : {"", "1234567890123456", "a/b", "a b", "a\n", ".", "..", "a:b", "tap%d", "\xc3\xa4", "a\x7f"})
    EXPECT_FALSE(is_interface_name(name)) << name;
  EXPECT_EQ(
      refused(R"("networks":[{},{"tap":"a/b"}])"),
      R"(/networks/1/tap: "a/b" is not the name of a network interface: 1 to 15 printable characters, no blank, / : or %, and not . or ..)");
  EXPECT_TRUE(refused(R"("networks":[{"bridge":"a b"}])").starts_with("/networks/0/bridge: "));
}

TEST(SpecDevices, TakesMacAddressesOfOneInterfaceAndMakesThemLowerCase) {
  EXPECT_EQ(read(R"("networks":[{"mac":"52:54:00:AB:CD:EF"}])")->networks[0].mac, "52:54:00:ab:cd:ef");
  for (const char* mac : {"52:54:00:ab:cd", "52:54:00:ab:cd:ef:01", "52-54-00-ab-cd-ef", "525400abcdef", "5g:54:00:ab:cd:ef",
                          "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "52:54:00:ab:cd:e", " 2:54:00:ab:cd:ef"})
    EXPECT_TRUE(refused(fmt::format(R"("networks":[{{"mac":"{}"}}])", mac)).starts_with("/networks/0/mac: ")) << mac;
}

TEST(SpecDevices, NothingThatMustBeOneOfAKindIsThereTwice) {
  EXPECT_EQ(refused(R"("networks":[{"tap":"t"},{},{"tap":"t"}])"), R"(/networks/2/tap: "t" is the same as /networks/0/tap)");
  EXPECT_EQ(refused(R"("networks":[{},{}])"), "taken");
  EXPECT_EQ(refused(R"("networks":[{"mac":"52:54:00:ab:cd:ef"},{"mac":"52:54:00:AB:CD:EF"}])"),
            R"(/networks/1/mac: "52:54:00:AB:CD:EF" is the same as /networks/0/mac)");
  EXPECT_EQ(refused(R"("shares":[{"tag":"a","path":"/a"},{"tag":"a","path":"/b"}])"), R"(/shares/1/tag: "a" is the same as /shares/0/tag)");
  EXPECT_EQ(refused(R"("matches":[{"name":"a","literal":"x"},{"name":"a","regex":"y"}])"),
            R"(/matches/1/name: "a" is the same as /matches/0/name)");
  EXPECT_EQ(refused(R"("root_disk":{"path":"/d"},"disks":[{"path":"/d"}])"),
            R"(/disks/0/path: "/d" is the image of /root_disk/path already)");
  EXPECT_EQ(refused(R"("disks":[{"path":"/d","readonly":true},{"path":"/d"}])"),
            R"(/disks/1/path: "/d" is the image of /disks/0/path already)");
  EXPECT_EQ(refused(R"("disks":[{"path":"/d","readonly":true},{"path":"/d","readonly":true}])"), "taken");
  EXPECT_EQ(refused(R"("seed":"/d","disks":[{"path":"/d"}])"), R"(/disks/0/path: "/d" is the image of /seed already)");
}

TEST(SpecDevices, ATapOfOthersIsNamedAndLeftAlone) {
  EXPECT_EQ(refused(R"("networks":[{"ours":false}])"), "/networks/0/ours: false leaves the TAP to somebody else, and names none: give tap");
  EXPECT_EQ(refused(R"("networks":[{"ours":false,"tap":"t","bridge":"b"}])"),
            R"(/networks/0/bridge: "b" is only for a TAP of ours: one of others is left as it is)");
  EXPECT_EQ(refused(R"("networks":[{"ours":false,"tap":"t"}])"), "taken");
  EXPECT_EQ(refused(R"("networks":[{"ours":"yes"}])"), R"(/networks/0/ours: "yes" is not true or false)");
}

TEST(SpecDevices, AShareHasATagAndAPath) {
  EXPECT_EQ(refused(R"("shares":[{"tag":"a"}])"), "/shares/0/path: is missing");
  EXPECT_EQ(refused(R"("shares":[{"path":"/a"}])"),
            R"(/shares/0/tag: is not a share's tag: 1 to 36 printable ASCII characters, no blank and no /)");
  EXPECT_EQ(refused(R"("shares":[{"path":"/a","tag":")" + std::string(36, 't') + R"("}])"), "taken");
  EXPECT_TRUE(refused(R"("shares":[{"path":"/a","tag":")" + std::string(37, 't') + R"("}])").starts_with("/shares/0/tag: \"ttt"));
  // A tag is a part of file names.
  EXPECT_TRUE(refused(R"("shares":[{"path":"/a","tag":"../../x"}])").starts_with("/shares/0/tag: "));
}

TEST(SpecDevices, ASeedAndWhatOneIsMadeOfExcludeEachOther) {
  EXPECT_EQ(refused(R"("seed":"/s","cloud_init":{})"), "/cloud_init: an object is given beside seed: a VM has one of the two");
  EXPECT_EQ(refused(R"("cloud_init":{})"), "taken");
  EXPECT_TRUE(read(R"("cloud_init":{})")->cloud_init);
  EXPECT_EQ(refused(R"("cloud_init":{"user_data":")" + std::string((256 << 10) + 1, 'x') + R"("})"),
            "/cloud_init/user_data: text of 262145 bytes is not text of 0 to 262144 bytes");
}

TEST(SpecDevices, PlacesAreWhatTheKernelCallsThem) {
  for (const char* good : {"blue", "/run/netns/blue", "/proc/1/ns/net"})
    EXPECT_EQ(refused(fmt::format(R"("netns":"{}")", good)), "taken") << good;
  for (const char* bad : {"a/b", "..", ".", "./blue"})
    EXPECT_TRUE(refused(fmt::format(R"("netns":"{}")", bad)).ends_with("is neither an absolute path nor a name under /run/netns")) << bad;
  for (const char* good : {"a", "a/b.slice", "/sys/fs/cgroup/a"})
    EXPECT_EQ(refused(fmt::format(R"("cgroup":"{}")", good)), "taken") << good;
  for (const char* bad : {"/sys/fs/cgroup", "/sys/fs/cgroup/", "/sys/fs/cgroup/../x", "/etc", "../x", "a//b", "a/", "/sys/fs/cgroupx", "."})
    EXPECT_TRUE(refused(fmt::format(R"("cgroup":"{}")", bad)).starts_with("/cgroup: ")) << bad;
  EXPECT_EQ(refused("\"uid\":4294967295"), "/uid: 4294967295 is not a number from 0 to 4294967294");
  EXPECT_EQ(refused("\"gid\":-1"), "/gid: -1 is not a number from 0 to 4294967294");
  EXPECT_EQ(refused("\"uid\":0"), "taken");
}

TEST(SpecDevices, AMachinesIdIsAUuid) {
  EXPECT_EQ(refused(R"("machine_id":"8c1f0b3a-52d4-4e0e-9d3b-0b8f7a3c1e55")"), "taken");
  for (const char* bad : {"8c1f0b3a52d44e0e9d3b0b8f7a3c1e55", "8c1f0b3a-52d4-4e0e-9d3b-0b8f7a3c1e5", "8c1f0b3a-52d4-4e0e-9d3b-0b8f7a3c1e5g",
                          "{8c1f0b3a-52d4-4e0e-9d3b-0b8f7a3c1e}"})
    EXPECT_TRUE(refused(fmt::format(R"("machine_id":"{}")", bad)).starts_with("/machine_id: ")) << bad;
}

TEST(SpecDevices, ARuleHasALiteralOrAnExpression) {
  EXPECT_EQ(refused(R"("matches":[{"name":"a"}])"), "/matches/0/literal: is missing: a rule has a literal or a regex");
  EXPECT_EQ(refused(R"("matches":[{"name":"a","literal":"x","regex":"x"}])"),
            R"(/matches/0/regex: "x" is given beside literal: a rule has one of the two)");
  EXPECT_EQ(refused(R"("matches":[{"name":"a","literal":""}])"), R"(/matches/0/literal: "" is not text of 1 to 256 bytes)");
  EXPECT_EQ(refused(R"("matches":[{"name":"a","literal":")" + std::string(257, 'x') + R"("}])"),
            "/matches/0/literal: text of 257 bytes is not text of 1 to 256 bytes");
  EXPECT_EQ(refused(R"("matches":[{"name":"panic","literal":"x"}])"),
            R"(/matches/0/name: "panic" is a rule of vmline's own: choose another)");
  std::string many = "\"matches\":[";
  for (int i = 0; i < 33; ++i) many += fmt::format(R"({}{{"name":"r{}","literal":"x"}})", i ? "," : "", i);
  EXPECT_EQ(refused(many + "]"), "/matches: an array of 33 is not an array of at most 32");
  EXPECT_EQ(read(R"("ready":null)")->ready.marker, "");
  EXPECT_EQ(read(R"("ready":{"marker":""})")->ready.marker, "");
  EXPECT_EQ(read(R"("ready":{})")->ready.marker, "VMRS_READY ");
  EXPECT_EQ(refused(R"("ready":"VMRS_READY ")"), R"(/ready: "VMRS_READY " is not an object)");
}

TEST(SpecDevices, WhatADriverWouldIgnoreIsRefused) {
  EXPECT_EQ(refused(R"("driver":"firecracker","shares":[{"tag":"a","path":"/a"}])"),
            "/shares: an array of 1 is only for drivers qemu and cloud-hypervisor");
  EXPECT_EQ(refused(R"("driver":"firecracker","root_disk":{"path":"/d","format":"qcow2"})"),
            R"(/root_disk/format: "qcow2" is not for driver firecracker, which takes raw images)");
  EXPECT_EQ(refused(R"("driver":"firecracker","disks":[{"path":"/d"},{"path":"/e","format":"qcow2"}])"),
            R"(/disks/1/format: "qcow2" is not for driver firecracker, which takes raw images)");
  EXPECT_EQ(refused(R"("driver":"firecracker","firmware":"/f")"), R"(/firmware: "/f" is only for drivers qemu and cloud-hypervisor)");
  EXPECT_EQ(refused(R"("driver":"cloud-hypervisor","machine":"microvm")"), R"(/machine: "microvm" is only for driver qemu)");
  EXPECT_EQ(refused(R"("driver":"cloud-hypervisor","machine":"q35")"), "taken");  // the default, as every stored spec has it
  EXPECT_EQ(refused(R"("monitor_config":{"a":1})"), "/monitor_config: an object is only for drivers cloud-hypervisor and firecracker");
  EXPECT_EQ(refused(R"("monitor_config":{})"), "taken");
  const char* line = R"("driver":"none","lines":[{"upstream":{"kind":"dial","path":"/s"}}],)";
  const char* exec = R"("driver":"exec","command":["sh"],)";
  for (const char* field : {R"("disks":[{"path":"/d"}])", R"("root_disk":{"path":"/d"})", R"("seed":"/s")", R"("cloud_init":{})",
                            R"("networks":[{}])", R"("shares":[{"tag":"a","path":"/a"}])", R"("kernel":"/k")", R"("cmdline":"")",
                            R"("memory":"1G")", R"("cpus":2)", R"("binary":"/b")", R"("machine_id":"8c1f0b3a-52d4-4e0e-9d3b-0b8f7a3c1e55")",
                            R"("monitor_args":["x"])", R"("virtiofsd":"/v")", R"("acceleration":"tcg")"}) {
    std::string at = "/" + std::string(field).substr(1, std::string_view(field).find('"', 1) - 1) + ": ";
    EXPECT_TRUE(refused(std::string(exec) + field).starts_with(at)) << refused(std::string(exec) + field);
    EXPECT_TRUE(refused(std::string(line) + field).starts_with(at)) << refused(std::string(line) + field);
  }
  for (const char* field :
       {R"("uid":0)", R"("gid":0)", R"("netns":"a")", R"("cgroup":"a")", R"("directory":"/")", R"("restart":"always")"}) {
    EXPECT_EQ(refused(std::string(exec) + field), "taken");
    EXPECT_NE(refused(std::string(line) + field).find("is only for drivers qemu, cloud-hypervisor, firecracker and exec"),
              std::string::npos);
  }
}

TEST(SpecDevices, HostileNamesAreOneShortSentenceOrTaken) {
  for (const std::string& value : hostile()) {
    std::string text = text_of(value);
    for (const std::string& fields :
         {R"("networks":[{"tap":)" + text + "}]", R"("networks":[{"mac":)" + text + "}]", R"("shares":[{"path":"/a","tag":)" + text + "}]",
          R"("matches":[{"literal":"x","name":)" + text + "}]", R"("lines":[{"name":)" + text + "}]", "\"netns\":" + text,
          "\"cgroup\":" + text, "\"machine_id\":" + text, "\"machine\":" + text, R"("root_disk":{"path":)" + text + "}", "\"seed\":" + text,
          R"("shares":[{"tag":"a","path":)" + text + "}]", "\"kernel\":" + text}) {
      auto spec = read(fields);
      if (!spec) {
        const std::string& sentence = spec.error().sentence();
        EXPECT_EQ(spec.error().kind(), ErrorKind::usage);
        EXPECT_TRUE(sentence.starts_with('/')) << sentence;
        EXPECT_LT(sentence.size(), 500u) << sentence;
        EXPECT_EQ(sentence.find('\n'), std::string::npos) << sentence;
      } else {
        auto again = parse_spec(json::serialize(to_json(*spec)));
        ASSERT_TRUE(again) << fields;
        EXPECT_EQ(to_json(*again), to_json(*spec));
      }
    }
    // No line's end, no escape sequence and no NUL gets into what becomes a file's name or an argument.
    bool controls = std::ranges::any_of(value, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    for (const char* key : {"kernel", "seed", "netns", "cgroup", "directory", "binary"}) {
      std::string sentence = refused(fmt::format("\"{}\":{}", key, text));
      EXPECT_EQ(controls, controls && sentence.starts_with(fmt::format("/{}: ", key))) << sentence;
    }
  }
  // Commas and quotes in a path are its own.
  EXPECT_EQ(read(R"("root_disk":{"path":"/a,b\"c'd e"})")->root_disk->path, "/a,b\"c'd e");
  EXPECT_EQ(refused("\"memory\":-1"), "/memory: -1 is not a size from 1M to 16T");
  EXPECT_EQ(refused(R"("memory":"-512M")"), R"(/memory: "-512M" is not a size from 1M to 16T)");
  EXPECT_EQ(refused("\"memory\":18446744073709551616"), "/memory: 1.8446744073709552E19 is not a size from 1M to 16T");
}

TEST(SpecDevices, TenThousandOfAnythingIsOneShortSentence) {
  for (auto [field, most] :
       {std::pair{"disks", 64}, {"networks", 16}, {"shares", 16}, {"matches", 32}, {"lines", 16}, {"monitor_args", 256}}) {
    std::string all = fmt::format("\"{}\":[", field);
    for (int i = 0; i < 10000; ++i) all += i ? ",{}" : "{}";
    EXPECT_EQ(refused(all + "]"), fmt::format("/{}: an array of 10000 is not an array of at most {}", field, most));
  }
  EXPECT_EQ(refused("\"kernel\":\"" + std::string(100u << 20, 'x') + "\""),
            "104857651 bytes of JSON are more than the 1048576 that are taken");
  EXPECT_TRUE(
      refused(R"("monitor_config":{"a":")" + std::string(70000, 'x') + "\"}").starts_with("/monitor_config: an object has 70008 bytes"));
}

TEST(SpecDevices, WhatIsReadOntoDefaultsReplacesThem) {
  Spec spec = *read(R"("cpus":4,"root_disk":{"path":"/d","format":"qcow2"},"disks":[{"path":"/a"}],"stop":{"guest_ms":1},
                       "cloud_init":{"user_data":"u"},"lines":[{"spool":"4M"}],"uid":7)");
  const json::value more = json::parse(
      R"({"root_disk":{"path":"/e"},"disks":[{"path":"/b"}],"stop":{"term_ms":2},"cloud_init":{"meta_data":"m"},"matches":[]})");
  JsonErrors errors;
  ObjectReader in(more, "", errors);
  read_fields(in, spec);
  ASSERT_TRUE(errors.result());
  EXPECT_EQ(spec.cpus, 4u);
  EXPECT_EQ(spec.uid, 7u);
  EXPECT_EQ(spec.root_disk->format, "raw");
  ASSERT_EQ(spec.disks.size(), 1u);
  EXPECT_EQ(spec.disks[0].path, "/b");
  EXPECT_EQ(spec.stop.guest.count(), 1);
  EXPECT_EQ(spec.stop.term.count(), 2);
  EXPECT_EQ(spec.cloud_init->user_data, "u");
  EXPECT_EQ(spec.cloud_init->meta_data, "m");
  EXPECT_EQ(spec.lines[0].spool, 4u << 20);
}

}  // namespace
}  // namespace vmline::api
