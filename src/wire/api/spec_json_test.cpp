// SPDX-License-Identifier: Apache-2.0
// Claims about vmline.vm/v1: what is taken, what is refused, and in which words.
#include "wire/api/spec_json.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace vmline::api {
namespace {

namespace json = boost::json;

constexpr std::string_view whole = R"({
  "schema": "vmline.vm/v1", "name": "web1", "driver": "cloud-hypervisor", "binary": "/opt/ch", "cpus": 4, "memory": "2G",
  "kernel": "/k", "initramfs": "/i", "firmware": "/f", "cmdline": "", "acceleration": "kvm",
  "root_disk": {"path": "/root.qcow2", "format": "qcow2"}, "disks": [{"path": "/d", "format": "raw", "readonly": true}],
  "cloud_init": {"user_data": "#cloud-config\n", "meta_data": "instance-id: a\n", "network_config": "version: 2\n"},
  "networks": [{"tap": "tap0", "mac": "52:54:00:AB:cd:ef", "bridge": "br0", "ours": true}, {}],
  "shares": [{"tag": "src", "path": "/src", "readonly": true}], "virtiofsd": "/v", "virtiofsd_args": ["--log-level", "debug"],
  "netns": "blue", "cgroup": "vmline.slice/web1", "uid": 1000, "gid": 0,
  "monitor_config": {"memory": {"hugepages": true}}, "machine_id": "8C1F0B3A-52d4-4e0e-9d3b-0b8f7a3c1e55",
  "ready": {"marker": "UP "}, "matches": [{"name": "oom", "literal": "Out of memory"}, {"name": "up", "regex": "^up$"}],
  "lines": [
    {"name": "serial0", "upstream": {"kind": "carried"}, "log": "/var/log/x", "journal": true, "replay": "none", "spool": "256K",
     "overflow": "drop", "stall_limit_ms": 1, "backlog": 65536},
    {"name": "console0", "upstream": {"kind": "dial", "path": "/s"}, "journal": false, "input": false}],
  "stop": {"guest_ms": 1, "monitor_ms": 2, "term_ms": 3}, "restart": "on-failure", "monitor_args": ["--seccomp", "false"],
  "directory": "/srv"})";

std::string refused(std::string text) {
  auto spec = parse_spec(text);
  return spec ? "taken" : spec.error().sentence();
}
/// A spec with `fields` added.
std::string with(std::string_view fields) { return R"({"schema":"vmline.vm/v1","name":"web1",)" + std::string(fields) + "}"; }

TEST(SpecJson, TakesEveryField) {
  auto spec = parse_spec(whole);
  ASSERT_TRUE(spec) << spec.error().sentence();
  EXPECT_EQ(spec->driver, DriverKind::cloud_hypervisor);
  EXPECT_EQ(spec->binary, "/opt/ch");
  EXPECT_EQ(spec->cpus, 4u);
  EXPECT_EQ(spec->memory, 2ull << 30);
  EXPECT_EQ(spec->cmdline, "");
  ASSERT_EQ(spec->disks.size(), 1u);
  EXPECT_TRUE(spec->disks[0].readonly);
  ASSERT_TRUE(spec->root_disk);
  EXPECT_EQ(spec->root_disk->format, "qcow2");
  ASSERT_TRUE(spec->cloud_init);
  EXPECT_EQ(spec->cloud_init->network_config, "version: 2\n");
  ASSERT_EQ(spec->networks.size(), 2u);
  EXPECT_EQ(spec->networks[0].mac, "52:54:00:ab:cd:ef");
  EXPECT_EQ(spec->networks[0].bridge, "br0");
  EXPECT_EQ(spec->networks[0].ours, true);
  EXPECT_FALSE(spec->networks[1].ours);
  ASSERT_EQ(spec->shares.size(), 1u);
  EXPECT_EQ(spec->shares[0].tag, "src");
  EXPECT_TRUE(spec->shares[0].readonly);
  EXPECT_EQ(spec->virtiofsd_args.size(), 2u);
  EXPECT_EQ(spec->netns, "blue");
  EXPECT_EQ(spec->cgroup, "vmline.slice/web1");
  EXPECT_EQ(spec->uid, 1000u);
  EXPECT_EQ(spec->gid, 0u);
  EXPECT_EQ(spec->monitor_config, R"({"memory":{"hugepages":true}})");
  EXPECT_EQ(spec->machine_id, "8c1f0b3a-52d4-4e0e-9d3b-0b8f7a3c1e55");
  EXPECT_EQ(spec->ready.marker, "UP ");
  ASSERT_EQ(spec->matches.size(), 2u);
  EXPECT_EQ(spec->matches[0].literal, "Out of memory");
  EXPECT_EQ(spec->matches[1].regex, "^up$");
  ASSERT_EQ(spec->lines.size(), 2u);
  EXPECT_TRUE(spec->lines[0].input);
  EXPECT_FALSE(spec->lines[1].input);
  EXPECT_EQ(spec->lines[0].log, "/var/log/x");
  EXPECT_EQ(spec->lines[0].replay, Replay::none);
  EXPECT_EQ(spec->lines[0].spool, 256u << 10);
  EXPECT_EQ(spec->lines[0].backlog, 65536u);
  EXPECT_EQ(spec->lines[0].overflow, Overflow::drop);
  EXPECT_EQ(spec->lines[0].stall_limit.count(), 1);
  EXPECT_EQ(spec->lines[1].upstream, UpstreamKind::dial);
  EXPECT_EQ(spec->lines[1].path, "/s");
  EXPECT_FALSE(spec->lines[1].journal);
  EXPECT_EQ(spec->stop.term.count(), 3);
  EXPECT_EQ(spec->restart, Restart::on_failure);
  EXPECT_EQ(spec->monitor_args, (std::vector<std::string>{"--seccomp", "false"}));
  EXPECT_EQ(spec->directory, "/srv");
}

TEST(SpecJson, RoundTrips) {
  for (std::string text : {std::string(whole), with("\"cpus\":1"), with(R"("driver":"exec","command":["sh","-c","é"],"pty":true)"),
                           with(R"("driver":"none","lines":[{"upstream":{"kind":"listen","path":"/s"}}])"), with("\"memory\":1048577")}) {
    auto spec = parse_spec(text);
    ASSERT_TRUE(spec) << spec.error().sentence();
    json::object written = to_json(*spec);
    auto again = parse_spec(json::serialize(written));
    ASSERT_TRUE(again) << again.error().sentence();
    EXPECT_EQ(to_json(*again), written);
    EXPECT_TRUE(check_spec(*again));
  }
  // Nothing that the text said is lost on the way.
  json::object written = to_json(parse_spec(whole).value());
  json::object given = json::parse(whole).as_object();
  for (const auto& field : given) EXPECT_TRUE(written.contains(field.key())) << field.key();
}

TEST(SpecJson, HasOneSerialLineByDefault) {
  auto spec = parse_spec(with("\"lines\":[]"));
  ASSERT_TRUE(spec);
  ASSERT_EQ(spec->lines.size(), 1u);
  EXPECT_EQ(spec->lines[0].name, "serial0");
  EXPECT_EQ(spec->lines[0].spool, limits::spool_default);
  EXPECT_FALSE(spec->cmdline);
}

TEST(SpecJson, NamesTheFieldTheValueAndWhatWasExpected) {
  EXPECT_EQ(refused(with(R"("cpus":"two")")), R"(/cpus: "two" is not a number from 1 to 1024)");
  EXPECT_EQ(refused(with("\"cpus\":0")), "/cpus: 0 is not a number from 1 to 1024");
  EXPECT_EQ(refused(with("\"cpus\":-1")), "/cpus: -1 is not a number from 1 to 1024");
  EXPECT_EQ(refused(with("\"cpus\":1.5")), "/cpus: 1.5E0 is not a number from 1 to 1024");
  EXPECT_EQ(refused(with("\"cpus\":4294967297")), "/cpus: 4294967297 is not a number from 1 to 1024");
  EXPECT_EQ(refused(with("\"cpus\":null")), "/cpus: null is not a number from 1 to 1024");
  EXPECT_EQ(refused(with(R"("memory":"lots")")), R"(/memory: "lots" is not a size from 1M to 16T)");
  EXPECT_EQ(refused(with(R"("driver":"xen")")), R"(/driver: "xen" is not one of qemu, cloud-hypervisor, firecracker, exec, none)");
  EXPECT_EQ(refused(with(R"("pty":"yes")")), R"(/pty: "yes" is not true or false)");
  EXPECT_EQ(refused(with(R"("disks":[{"path":"/a"},{"format":"vdi","path":"/b"}])")), R"(/disks/1/format: "vdi" is not one of raw, qcow2)");
  EXPECT_EQ(refused(with(R"("disks":[{}])")), "/disks/0/path: is missing");
  EXPECT_EQ(refused(with(R"("lines":[{"spool":"1K"}])")), R"(/lines/0/spool: "1K" is not a size from 256K to 1G)");
  EXPECT_EQ(refused(with(R"("lines":{})")), "/lines: an object is not an array of at most 16");
  EXPECT_EQ(refused(with(R"("lines":[{"upstream":"carried"}])")), R"(/lines/0/upstream: "carried" is not an object)");
  EXPECT_EQ(refused(with(R"("stop":{"guest_ms":604800001})")), "/stop/guest_ms: 604800001 is not a number from 0 to 604800000");
  EXPECT_EQ(refused(with(R"("monitor_args":["a",1])")), "/monitor_args/1: 1 is not text of at most 65535 bytes without NUL");
  EXPECT_EQ(refused("[]"), "/: an array of 0 is not an object");
  EXPECT_EQ(refused("{}"), "/schema: is not \"vmline.vm/v1\", which must be there");
  EXPECT_EQ(refused(R"({"schema":"vmline.vm/v2"})"), R"(/schema: "vmline.vm/v2" is not "vmline.vm/v1", which must be there)");
  EXPECT_EQ(parse_spec("{}").error().kind(), ErrorKind::usage);
}

TEST(SpecJson, RefusesUnknownFields) {
  EXPECT_TRUE(
      refused(with(R"("cpu":2)")).starts_with("/cpu: is not known; the fields here are schema, name, machine_id, command, driver, "));
  EXPECT_EQ(refused(with(R"("stop":{"a/b~\n":1})")), "/stop/a~1b~0?: is not known; the fields here are guest_ms, monitor_ms, term_ms");
  EXPECT_NE(refused(with(R"("lines":[{"replays":"spool"}])")).find("/lines/0/replays"), std::string::npos);
}

TEST(SpecJson, RefusesFieldsThatContradictEachOther) {
  EXPECT_EQ(refused(with(R"("driver":"exec")")), "/command: is empty: driver exec needs the command to run");
  EXPECT_EQ(refused(with(R"("command":["sh"])")), "/command: an array of 1 is only for driver exec");
  EXPECT_EQ(refused(with(R"("driver":"none")")), "/lines: must say dial or listen and a path, for driver none");
  EXPECT_EQ(refused(with(R"("lines":[{},{}])")), "/lines: an array of 2 has two lines named serial0");
  EXPECT_EQ(refused(with(R"("lines":[{"log":"/x","journal":false}])")), R"(/lines/0/log: "/x" is given, but journal is false)");
  EXPECT_EQ(refused(with(R"("lines":[{"upstream":{"kind":"carried","path":"/x"}}])")),
            R"(/lines/0/upstream/path: "/x" is only for dial and listen)");
}

TEST(SpecJson, RefusesHostileInputInShortSentences) {
  EXPECT_EQ(refused(""), "line 1, column 1: incomplete JSON");
  EXPECT_EQ(refused("{\n  \"a\": x}"), "line 2, column 8: syntax error");
  EXPECT_EQ(refused("{} {}"), "line 1, column 4: more after the end of the JSON");
  EXPECT_NE(refused(std::string(2 << 20, '[')), "taken");
  EXPECT_NE(refused(std::string(1000, '[')), "taken");
  EXPECT_NE(refused(with("\"kernel\":\"\xff\xfe\"")), "taken");
  EXPECT_EQ(refused(with(R"("kernel":"a\u0000b")")), R"(/kernel: "a\u0000b" has a NUL character in it)");
  EXPECT_EQ(refused(with("\"kernel\":\"" + std::string(5000, 'x') + "\"")), "/kernel: text of 5000 bytes is not text of 0 to 4095 bytes");
  EXPECT_LT(refused(with("\"" + std::string(100000, 'k') + "\":1")).size(), 500u);
  EXPECT_LT(refused(with("\"cpus\":\"" + std::string(100000, 'k') + "\"")).size(), 200u);
  std::string many = "\"disks\":[";
  for (int i = 0; i < 65; ++i) many += std::string(i ? "," : "") + R"({"path":"/d"})";
  EXPECT_EQ(refused(with(many + "]")), "/disks: an array of 65 is not an array of at most 64");
  EXPECT_EQ(refused(with(R"("lines":[{"upstream":{"kind":"dial","path":"/)" + std::string(107, 'x') + "\"}}]")),
            "/lines/0/upstream/path: text of 108 bytes is longer than the 107 bytes of a socket's path");
}

TEST(SpecJson, HoldsNamesToWhatFilesCanBeCalled) {
  for (const char* name : {"a", "web1", "Web-1.test_2", "0"}) EXPECT_TRUE(is_vm_name(name)) << name;
  EXPECT_TRUE(is_vm_name(std::string(64, 'a')));
  for (const char* name : {"", ".", "..", "a/b", "-a", "_a", ".a", "a b", "\xc3\xa4", "a.lock", "a\n"})
    EXPECT_FALSE(is_vm_name(name)) << name;
  EXPECT_FALSE(is_vm_name(std::string(65, 'a')));
  EXPECT_TRUE(is_line_name("serial0"));
  for (const char* name : {"control", "api", "qmp", "monitor", "events", "a/b", ""}) EXPECT_FALSE(is_line_name(name)) << name;
  EXPECT_FALSE(is_line_name(std::string(17, 'a')));
  EXPECT_TRUE(refused(R"({"schema":"vmline.vm/v1","name":"a/b"})").starts_with("/name: \"a/b\" is not a VM's name: "));
  EXPECT_TRUE(refused(R"({"schema":"vmline.vm/v1"})").starts_with("/name: is not a VM's name: "));
}

TEST(SpecJson, MakesPathsAbsolute) {
  Spec spec;
  spec.kernel = "k";
  spec.initramfs = "/i";
  spec.binary = "qemu";
  spec.command = {"./x", "y"};
  spec.disks.push_back({"d"});
  spec.root_disk = Disk{"r"};
  spec.seed = "s.iso";
  spec.shares.push_back({"src", "../src"});
  spec.netns = "blue";
  spec.cgroup = "a/b";
  spec.virtiofsd = "./virtiofsd";
  spec.lines.emplace_back().log = "l";
  make_absolute(spec, "/here");
  EXPECT_EQ(spec.kernel, "/here/k");
  EXPECT_EQ(spec.initramfs, "/i");
  EXPECT_EQ(spec.firmware, "");
  EXPECT_EQ(spec.binary, "qemu");
  EXPECT_EQ(spec.command, (std::vector<std::string>{"/here/./x", "y"}));
  EXPECT_EQ(spec.disks[0].path, "/here/d");
  EXPECT_EQ(spec.lines[0].log, "/here/l");
  EXPECT_EQ(spec.root_disk->path, "/here/r");
  EXPECT_EQ(spec.seed, "/here/s.iso");
  EXPECT_EQ(spec.shares[0].path, "/here/../src");
  EXPECT_EQ(spec.netns, "blue");
  EXPECT_EQ(spec.cgroup, "/sys/fs/cgroup/a/b");
  EXPECT_EQ(spec.virtiofsd, "/here/./virtiofsd");
}

TEST(SpecJson, ChecksASpecMadeByOtherMeans) {
  Spec spec;
  spec.name = "web1";
  spec.lines.emplace_back();
  EXPECT_TRUE(check_spec(spec));
  spec.networks.emplace_back().mac = "AA:54:00:AB:CD:EF";
  EXPECT_EQ(checked_spec(spec)->networks[0].mac, "aa:54:00:ab:cd:ef");
  spec.cpus = 0;
  EXPECT_EQ(check_spec(spec).error().sentence(), "/cpus: 0 is not a number from 1 to 1024");
  spec.cpus = 1;
  // What no JSON text can hold is told by its field too, not by a column of a text that nobody wrote.
  spec.kernel = "/\xff\xfe";
  EXPECT_EQ(check_spec(spec).error().sentence(), "/kernel: text of 3 bytes is not UTF-8");
  spec.kernel.clear();
  spec.driver = DriverKind::cloud_hypervisor;
  spec.monitor_config = "no JSON";
  EXPECT_EQ(check_spec(spec).error().sentence(), "/monitor_config: \"no JSON\" is not an object");
  spec.monitor_config = R"({"a":[[[[[[[1]]]]]]]})";  // in itself eight deep
  ASSERT_FALSE(check_spec(spec));
  EXPECT_TRUE(check_spec(spec).error().sentence().starts_with("the spec as it would be stored: ")) << check_spec(spec).error().sentence();
}

}  // namespace
}  // namespace vmline::api
