// SPDX-License-Identifier: Apache-2.0
// `vmline doctor`: what this host has for VMs, and what dead processes of ours have left. It looks, and changes nothing.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "cli/commands.hpp"
#include "cli/fields.hpp"
#include "cli/holder_start.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"
#include "os/environment.hpp"
#include "os/files.hpp"
#include "os/process_identity.hpp"
#include "os/tap.hpp"
#include "vmm/host.hpp"
#include "vmm/program.hpp"
#include "wire/api/spec_json.hpp"

namespace vmline::cli {
namespace {

struct Finding {
  enum class Verdict { good, absent, bad };
  std::string about;
  Verdict verdict = Verdict::good;
  std::string detail;
};
using Verdict = Finding::Verdict;

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::good: return "ok";
    case Verdict::absent: return "none";
    case Verdict::bad: break;
  }
  return "wrong";
}

void look_for_programs(std::vector<Finding>& findings) {
  vmm::Host last;
  for (auto driver : {api::DriverKind::qemu, api::DriverKind::cloud_hypervisor, api::DriverKind::firecracker}) {
    api::Spec spec;
    spec.driver = driver;
    auto host = vmm::probe_host(spec, os::environment());
    std::string about(api::name_of(driver));
    if (!host) {
      findings.push_back({about, Verdict::absent, host.error().sentence()});
      continue;
    }
    findings.push_back({about, Verdict::good, host->binary + (host->version.empty() ? "" : ", version " + host->version)});
    for (const std::string& warning : host->warnings) findings.push_back({about, Verdict::bad, warning});
    last = *host;
  }
  auto program = vmm::find_virtiofsd({}, os::environment());
  findings.push_back({"virtiofsd", program ? Verdict::good : Verdict::absent, program ? *program : program.error().sentence()});
  if (last.binary.empty()) return;
  if (!last.kvm_opens)
    findings.push_back({"kvm", Verdict::absent, "/dev/kvm: " + last.kvm_error + "; QEMU emulates, the others cannot run"});
  else if (!last.cpu_virtualizes)
    findings.push_back({"kvm", Verdict::bad, "/dev/kvm opens, but the CPU's flags have neither vmx nor svm: a stock kernel can hang"});
  else
    findings.push_back({"kvm", Verdict::good, "/dev/kvm opens, and the CPU virtualizes"});
}

void look_at_memory(const os::Places& places, std::vector<Finding>& findings) {
  auto folder = places.memory_dir("NAME");
  findings.push_back({"spool", folder ? Verdict::good : Verdict::bad, folder ? *folder + " is on a tmpfs" : folder.error().sentence()});
  auto scope = os::read_file("/proc/sys/kernel/yama/ptrace_scope", 16);
  if (scope && ::geteuid() != 0 && *scope >= "2") {
    findings.push_back(
        {"typing", Verdict::bad,
         "kernel.yama.ptrace_scope is 2 or more: typing on Cloud Hypervisor's line is lost once holder and keeper have both died"});
  }
}

bool monitor_lives(const os::Places& places, const std::string& name) {
  auto identity = os::ProcessIdentity::load(places.run_dir(name) + "/monitor.pid");
  auto process = identity ? identity->open() : std::nullopt;
  return process && !os::ends_within(process->get(), std::chrono::milliseconds(0));  // one that nobody has reaped yet has ended
}

std::vector<std::string> folders_in(const std::string& path) {
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(path, none)) {
    if (entry.is_directory(none)) names.push_back(entry.path().filename());
  }
  return names;
}

void look_for_orphans(const os::Places& places, const std::vector<std::string>& names, std::vector<Finding>& findings) {
  std::string memory = places.memory_dir("").value_or("");
  std::vector<std::string> left = folders_in(places.run());
  std::ranges::copy(folders_in(memory), std::back_inserter(left));
  std::ranges::sort(left);
  left.erase(std::ranges::unique(left).begin(), left.end());
  for (const std::string& name : left) {
    if (holder_lives(places, name)) continue;
    bool known = std::ranges::binary_search(names, name);
    if (monitor_lives(places, name))
      findings.push_back(
          {name, Verdict::bad,
           fmt::format("its monitor runs, and nobody of vmline does; {}",
                       known ? fmt::format("`vmline inspect {}` brings them back", name) : "its spec is gone: end it by hand")});
    else
      findings.push_back({name, Verdict::bad,
                          fmt::format("nothing of it runs, and something lies in {} or {}; {}", places.run_dir(name), memory,
                                      known ? fmt::format("`vmline inspect {}` clears it away", name) : "remove it")});
  }
}

void look_for_taps(const os::Places& places, std::vector<Finding>& findings) {
  std::vector<std::string> namespaces = {""};
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/run/netns", none)) namespaces.push_back(entry.path());
  for (const std::string& netns : namespaces) {
    auto taps = os::list_taps(netns);
    if (!taps) continue;  // not ours to look into
    for (const os::Tap& tap : *taps) {
      std::string prefix = os::tap_alias(places.root(), "");
      if (!tap.alias.starts_with(prefix) || tap.alias.size() == prefix.size()) continue;
      std::string name = tap.alias.substr(prefix.size());
      if (holder_lives(places, name)) continue;
      findings.push_back({tap.name, Verdict::bad,
                          fmt::format("a TAP of {}, which does not run{}{}; remove it with `ip link del {}`", name,
                                      netns.empty() ? "" : ", in ", netns, tap.name)});
    }
  }
}

}  // namespace

Result<int> doctor(const Context& context, Format format) {
  TRY_ASSIGN(std::vector<std::string> names, context.places.names());
  std::vector<Finding> findings;
  look_for_programs(findings);
  look_at_memory(context.places, findings);
  look_for_orphans(context.places, names, findings);
  look_for_taps(context.places, findings);
  bool wrong = std::ranges::any_of(findings, [](const Finding& one) { return one.verdict == Verdict::bad; });
  if (format == Format::json) {
    json::array all;
    for (const Finding& one : findings) all.push_back({{"about", one.about}, {"verdict", name_of(one.verdict)}, {"detail", one.detail}});
    print_json(json::object{{"findings", std::move(all)}});
    return wrong ? 1 : 0;
  }
  Table table({"ABOUT", "VERDICT", "DETAIL"});
  for (const Finding& one : findings) table.add({one.about, std::string(name_of(one.verdict)), one.detail});
  print(table.text());
  return wrong ? 1 : 0;
}

}  // namespace vmline::cli
