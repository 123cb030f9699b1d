// SPDX-License-Identifier: Apache-2.0
// Where things lie: ROOT (what must outlive the host's boot), RUN (sockets and FIFOs), and the memory folder, a tmpfs on which the
// spools lie. docs/architecture.md "On disk" lists the files.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace vmline::os {

class Places {
 public:
  /// ROOT is `root`, else $VMLINE_ROOT, else /var/lib/vmline for root and $XDG_STATE_HOME/vmline for others. Nothing is created yet.
  static Result<Places> from(const std::optional<std::string>& root);
  /// As a keeper is told by who started it.
  static Places given(std::string root, std::string run) { return {std::move(root), std::move(run)}; }

  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] const std::string& run() const { return run_; }
  [[nodiscard]] std::string vm_dir(std::string_view name) const;          ///< ROOT/vms/NAME
  [[nodiscard]] std::string run_dir(std::string_view name) const;         ///< RUN/NAME
  [[nodiscard]] std::string command_lock(std::string_view name) const;    ///< RUN/NAME.lock: for commands
  [[nodiscard]] std::string control_socket(std::string_view name) const;  ///< RUN/NAME/control.sock

  /// Makes ROOT/vms and RUN (0700) where they are missing.
  Result<> create() const;
  /// The folder of spools, notes and the running state: RUN/NAME where RUN is a tmpfs without huge pages, else
  /// /dev/shm/vmline-UID-HASH(ROOT)/NAME. RUN must be there. An error says why there is no such place. Nothing is made.
  [[nodiscard]] Result<std::string> memory_dir(std::string_view name) const;
  Result<> make_memory_dir(std::string_view name) const;
  /// With all that is in it; the last one takes the parent in /dev/shm with it.
  Result<> remove_memory_dir(std::string_view name) const;

  /// Names of the VMs there are, sorted.
  [[nodiscard]] Result<std::vector<std::string>> names() const;

 private:
  Places(std::string root, std::string run) : root_(std::move(root)), run_(std::move(run)) {}
  /// What memory folders lie in.
  [[nodiscard]] Result<std::string> memory() const;

  std::string root_;
  std::string run_;
};

/// Whether `path` lies on a tmpfs on which a page punched out is a page gone: not one with huge pages (a punch of less than 2 MiB
/// would overwrite there, and bytes queued in a client's socket with it).
[[nodiscard]] bool is_plain_tmpfs(const std::string& path);

/// mkdir -p, with `mode` for what is made.
Result<> make_folders(const std::string& path, unsigned mode);

}  // namespace vmline::os
