// SPDX-License-Identifier: Apache-2.0
// Finds a VM as it is now, and brings its holder and keeper back where they are gone: every command on a VM begins here.
#pragma once
#include <boost/json/object.hpp>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "cli/api_client.hpp"
#include "cli/start_report.hpp"
#include "os/lock.hpp"
#include "os/places.hpp"

namespace vmline::cli {

struct FoundVm {
  enum class Presence { running, stopped };  ///< running: its control socket answers
  Presence presence = Presence::stopped;
  boost::json::object vm;  ///< as GET /v1/vm tells it

  [[nodiscard]] bool running() const { return presence == Presence::running; }
};

class Finder {
 public:
  Finder(const os::Places& places, StartReport::Progress progress) : places_(places), progress_(std::move(progress)) {}

  /// not_found where there is no such VM. Takes the VM's command lock only where something is to be started: `lock` says that the caller
  /// has it already.
  Result<FoundVm> find(std::string_view name, const os::CommandLock* lock = nullptr, const std::stop_token& stop = {}) const;

  /// The same; of a VM that is ending, as it is once keeper and holder, which answer a little longer than it lives, are gone: its journal
  /// is complete then.
  Result<FoundVm> find_at_its_end(std::string_view name, const os::CommandLock& lock) const;

  [[nodiscard]] const os::Places& places() const { return places_; }
  [[nodiscard]] ApiClient client(std::string_view name) const { return ApiClient(places_.control_socket(name)); }
  [[nodiscard]] const StartReport::Progress& progress() const { return progress_; }

  /// A usage error where it is no VM's name, not_found where there is no VM of that name.
  Result<> check_exists(std::string_view name) const;
  /// Waits for the command lock as every command does; not_found where the VM is gone by then.
  Result<os::CommandLock> lock(std::string_view name) const;
  /// The same for a VM that may be a new one.
  Result<os::CommandLock> lock_new(std::string_view name) const;

 private:
  Result<FoundVm> ask(std::string_view name) const;
  Result<FoundVm> stopped(std::string_view name) const;
  Result<FoundVm> revive(std::string_view name, const std::string& state_file, const std::stop_token& stop) const;

  const os::Places& places_;
  StartReport::Progress progress_;
};

}  // namespace vmline::cli
