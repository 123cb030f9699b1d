// SPDX-License-Identifier: Apache-2.0
// Waits until a VM's holder and keeper are gone; see departure.hpp.
#include "cli/departure.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/fields.hpp"
#include "cli/holder_start.hpp"
#include "cli/interruption.hpp"

namespace vmline::cli {

using namespace std::chrono_literals;

Departure::Departure(const os::Places& places, std::string_view name, const json::object& vm) : places_(places), name_(name) {
  for (const char* who : {"keeper", "holder"}) {
    auto pid = static_cast<pid_t>(number_field(object_field(vm, who), "pid"));
    if (pid <= 0) continue;
    UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (process) processes_.push_back(std::move(process));
  }
}

Result<> Departure::wait(std::chrono::milliseconds limit) const {
  Interruption never{std::stop_token()};
  auto deadline = std::chrono::steady_clock::now() + limit;
  for (const UniqueFd& process : processes_) (void)never.wait(process.get(), deadline);
  // One that was replaced meanwhile is not among them; its lock tells.
  for (auto pause = 5ms; holder_lives(places_, name_); pause = std::min(pause * 2, 100ms)) {
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(fmt::format("{}: its holder does not leave; see {}/vmline.log", name_, places_.vm_dir(name_)), ErrorKind::timed_out);
    }
    (void)never.wait({}, std::chrono::steady_clock::now() + pause);
  }
  return {};
}

}  // namespace vmline::cli
