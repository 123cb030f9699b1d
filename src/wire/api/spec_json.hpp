// SPDX-License-Identifier: Apache-2.0
// A VM's spec as JSON, vmline.vm/v1: read strictly (types, limits, unknown fields, each error with its JSON pointer), written so that it
// reads back as the same. docs/spec.md lists the fields.
#pragma once
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string_view>

#include "base/error.hpp"
#include "wire/api/spec.hpp"

namespace vmline::api {

class ObjectReader;

/// A good spec, or an error such as `/cpus: "two" is not a number from 1 to 1024`. Missing fields have their defaults; lines is never
/// empty.
[[nodiscard]] Result<Spec> parse_spec(std::string_view text);
[[nodiscard]] boost::json::object to_json(const Spec& spec);
/// Whether a spec put together by other means (the command line) holds what parse_spec demands.
[[nodiscard]] Result<> check_spec(const Spec& spec);
/// The same, and as it will read back once stored: MAC addresses and UUIDs in lower case.
[[nodiscard]] Result<Spec> checked_spec(const Spec& spec);
/// A spec's JSON over one that is there, as read_fields does it; what fields say of each other is not looked at yet.
[[nodiscard]] Result<> read_spec_onto(const boost::json::value& document, Spec& spec);
/// All fields but schema, name, machine_id and command, which are one VM's own. What is not there stays as it was in `spec`; what is there
/// replaces it, whole arrays too, but for stop, ready and cloud_init, whose fields do so one by one.
void read_fields(ObjectReader& in, Spec& spec);
/// Relative paths become absolute, from `folder`, so that the spec means the same wherever it is read. A program's name without a slash
/// stays: it is looked for in PATH. A network namespace's name stays too, a cgroup is from /sys/fs/cgroup.
void make_absolute(Spec& spec, std::string_view folder);

/// 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit, the end not ".lock" (a VM's lock lies beside its folder).
[[nodiscard]] bool is_vm_name(std::string_view name);
/// The same with at most 16, and none of the names that other files of RUN/NAME have.
[[nodiscard]] bool is_line_name(std::string_view name);

[[nodiscard]] std::string_view name_of(DriverKind kind);    ///< "qemu", "cloud-hypervisor", "firecracker", "exec", "none"
[[nodiscard]] std::string_view name_of(UpstreamKind kind);  ///< "carried", "dial", "listen"
[[nodiscard]] std::string_view name_of(Replay replay);
[[nodiscard]] std::string_view name_of(Overflow overflow);
[[nodiscard]] std::string_view name_of(Restart restart);

}  // namespace vmline::api
