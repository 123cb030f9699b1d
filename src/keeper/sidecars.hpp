// SPDX-License-Identifier: Apache-2.0
// The processes beside the monitor (virtiofsd): started before it, started again at once when one ends while the VM lives, ended with it.
// The holder is their parent; who they are stands in RUN/NAME, so that a later keeper finds those whose holder has died too.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keeper/condition.hpp"
#include "keeper/event_log.hpp"
#include "keeper/holder_link.hpp"
#include "keeper/our_log.hpp"
#include "vmm/plan.hpp"

namespace vmline::keeper {

namespace asio = boost::asio;

class Sidecars {
 public:
  struct Shared {
    asio::io_context& loop;
    HolderLink& holder;
    Log& log;
    EventLog& events;
    std::string run_dir;
  };
  explicit Sidecars(Shared shared);
  ~Sidecars();

  /// What they are started from; those of a plan made anew replace the old ones.
  void plan(const std::vector<vmm::Process>& processes);
  /// What runs of them: as the holder told it, or by the identity that one has written.
  void adopt(std::map<std::string, HeldProcess, std::less<>>& inherited);
  /// What a living one was given as `held`; nothing where there is none, or it may not be had.
  [[nodiscard]] UniqueFd take_back(const std::string& held) const;
  /// Starts those that do not run. They are started again from now on.
  asio::awaitable<Result<>> start();
  /// The monitor has ended: none is started again until start().
  void stand_by() { wanted_ = false; }
  /// Returns when one of them has failed again and again: which.
  asio::awaitable<std::string> hopeless_one();
  /// The holder's word; false where the process is none of them.
  bool ended(const std::string& name, int status);
  /// Ends them: SIGTERM, and SIGKILL for what is there after `limit`.
  asio::awaitable<void> stop(std::chrono::milliseconds limit);

  [[nodiscard]] json::array info() const;

 private:
  struct Sidecar;
  asio::awaitable<Result<>> start_one(Sidecar& one);
  void run_again(Sidecar& one);
  [[nodiscard]] bool any_lives() const;

  Shared shared_;
  std::map<std::string, std::unique_ptr<Sidecar>, std::less<>> all_;
  Condition changed_;
  bool wanted_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace vmline::keeper
