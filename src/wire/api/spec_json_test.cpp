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
  "disks": [{"path": "/d", "format": "raw", "readonly": true}],
  "lines": [
    {"name": "serial0", "upstream": {"kind": "carried"}, "log": "/var/log/x", "journal": true, "replay": "none", "spool": "256K",
     "overflow": "drop", "stall_limit_ms": 1, "backlog": 65536},
    {"name": "console0", "upstream": {"kind": "dial", "path": "/s"}, "journal": false}],
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
  ASSERT_EQ(spec->lines.size(), 2u);
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
  EXPECT_EQ(refused(with(R"("driver":"xen")")), R"(/driver: "xen" is not one of qemu, cloud-hypervisor, exec, none)");
  EXPECT_EQ(refused(with(R"("pty":"yes")")), R"(/pty: "yes" is not true or false)");
  EXPECT_EQ(refused(with(R"("disks":[{"path":"/a"},{"format":"qcow2","path":"/b"}])")), R"(/disks/1/format: "qcow2" is not one of raw)");
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
  EXPECT_TRUE(refused(with(R"("cpu":2)")).starts_with("/cpu: is not known; the fields here are schema, name, driver, "));
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
  spec.lines.emplace_back().log = "l";
  make_absolute(spec, "/here");
  EXPECT_EQ(spec.kernel, "/here/k");
  EXPECT_EQ(spec.initramfs, "/i");
  EXPECT_EQ(spec.firmware, "");
  EXPECT_EQ(spec.binary, "qemu");
  EXPECT_EQ(spec.command, (std::vector<std::string>{"/here/./x", "y"}));
  EXPECT_EQ(spec.disks[0].path, "/here/d");
  EXPECT_EQ(spec.lines[0].log, "/here/l");
}

TEST(SpecJson, ChecksASpecMadeByOtherMeans) {
  Spec spec;
  spec.name = "web1";
  spec.lines.emplace_back();
  EXPECT_TRUE(check_spec(spec));
  spec.cpus = 0;
  EXPECT_EQ(check_spec(spec).error().sentence(), "/cpus: 0 is not a number from 1 to 1024");
}

}  // namespace
}  // namespace vmline::api
