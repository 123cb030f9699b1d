// SPDX-License-Identifier: Apache-2.0
// The life of one VM: started from its spec, taken up again by a later keeper at whatever point the last one was killed, stopped step by
// step, restarted as its policy says, ended. Each decision is in RuntimeState before it is acted upon, and each act can be done again.
// vm.cpp has its state and events, vm_start.cpp its beginning, vm_monitor.cpp the monitor's, vm_lines.cpp its lines, vm_commands.cpp its
// commands, vm_end.cpp the monitor's end and its own.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "keeper/condition.hpp"
#include "keeper/control_server.hpp"
#include "keeper/control_stream.hpp"
#include "keeper/event_log.hpp"
#include "keeper/holder_link.hpp"
#include "keeper/line.hpp"
#include "keeper/log_cap.hpp"
#include "keeper/our_log.hpp"
#include "keeper/runtime_state.hpp"
#include "keeper/service.hpp"
#include "keeper/sidecars.hpp"
#include "keeper/socket_upstream.hpp"
#include "os/places.hpp"
#include "vmm/driver.hpp"

namespace vmline::keeper {

class Vm : public VmService {
 public:
  struct Parts {
    asio::io_context& loop;
    DiskThreads& disks;
    HolderLink& holder;
    Log& log;
    os::Places places;
    std::string name;
    std::string memory_dir;
  };

  explicit Vm(Parts parts);
  ~Vm() override;

  /// The whole life, from what was inherited to the end. Returns when the keeper is to exit; the holder has been told to quit then.
  asio::awaitable<void> run(HolderLink::Inheritance inheritance);

  json::object info() const override;
  json::object spec() const override;
  EventSource& events() override { return *events_; }
  Result<LineService*> line(std::string_view name) override;
  asio::awaitable<Result<json::object>> command(std::string name, json::object arguments) override;

 private:
  // vm.cpp
  void set_state(const std::string& state, const std::string& reason);
  void save();
  void publish();
  void report(json::object message);
  void guest_said(Line& line, const line::WordMatch& match);
  [[nodiscard]] bool was_told(const std::string& line, const line::WordMatch& match) const;
  /// A guest may say a thing for ever.
  bool may_tell(const std::string& rule, Time now);
  void guest_is_ready();
  void monitor_events(const std::vector<vmm::MonitorEvent>& events);
  bool is_same_boot(std::optional<Time> at);
  /// `event`: what told it, where something did; else nothing of the new boot can have been sent yet.
  void begin_boot(const std::string& cause, const vmm::MonitorEvent* event = nullptr);
  std::string cause_of_restart();
  [[nodiscard]] Offset old_boot_end(const Line& line, const vmm::MonitorEvent* event, Time now) const;
  /// The guest reboots: notes up to where its lines are the old boot's.
  void end_boot(const vmm::MonitorEvent& event);
  /// Whether a reboot that was begun and did not come to its end has failed; asked more and more seldom.
  asio::awaitable<void> watch_reboot();
  void follow_old_boot(std::optional<Time> ended);
  [[nodiscard]] std::string run_path(std::string_view file) const;

  // vm_start.cpp
  asio::awaitable<Result<>> begin();
  asio::awaitable<Result<>> take_up();
  Result<> load_spec(const std::string& path);
  asio::awaitable<Result<>> all_held();
  static std::vector<std::string> process_environment();
  UniqueFd inherited(const std::string& name);
  void drop_orphaned_cursors();

  // vm_monitor.cpp
  void make_monitor();
  void watch_monitor(pid_t pid, UniqueFd pidfd);
  Result<> make_listener(const vmm::Listener& listener);
  Result<> take_listener(const vmm::Listener& listener);
  Result<> make_taps();
  void remove_taps();
  asio::awaitable<Result<>> start_monitor();
  asio::awaitable<Result<>> boot_guest();
  /// The monitor has answered: it is the program that it is going to be, whatever started it.
  void learn_monitor();
  void limit_log();
  /// Starts what is planned, boots the guest, and says that it runs.
  asio::awaitable<Result<>> run_monitor();

  // vm_lines.cpp
  asio::awaitable<Result<>> make_lines(bool anew);
  Result<> make_listeners();
  void watch_accepts(const std::string& name);
  Result<> make_endpoints();
  Result<> give_to_monitor(int fd, const std::string& path);
  Result<UniqueFd> take_terminal_back(const vmm::Terminal& terminal);
  Result<> connect_line(Line& line, const vmm::LinePlan& plan);
  Result<> listen_for(Line& line, const vmm::LinePlan& plan);
  void connect_socket(Line& line, std::unique_ptr<SocketUpstream> upstream);
  KeptSocket kept_socket(const std::string& line);
  asio::awaitable<Result<>> dial_lines();

  // vm_commands.cpp
  asio::awaitable<Result<json::object>> stop(json::object arguments, bool kill);
  asio::awaitable<Result<json::object>> reboot(std::optional<std::chrono::milliseconds> limit);
  asio::awaitable<Result<json::object>> reset();
  asio::awaitable<Result<json::object>> hold_still(bool pause);
  asio::awaitable<Result<json::object>> interrupt(std::string kind, json::object arguments);
  asio::awaitable<json::array> walk(std::vector<vmm::StopStep> steps, std::string& ended_by);
  asio::awaitable<void> monitor_gone();
  asio::awaitable<Result<>> act(vmm::StopStep::Action action);

  // vm_end.cpp
  asio::awaitable<bool> monitor_ended();
  asio::awaitable<Result<>> start_again();
  asio::awaitable<void> finish();
  asio::awaitable<void> go_on_ending(bool cleared);
  [[nodiscard]] bool has_ended() const { return state_.state == "stopped" || state_.state == "failed"; }
  asio::awaitable<void> give_up(const Error& error);
  asio::awaitable<std::vector<std::string>> log_tail();
  void clean_up(bool keep_memory);

  Parts parts_;
  std::string vm_dir_, run_dir_;
  api::Spec spec_;
  vmm::Plan plan_;
  vmm::Endpoints endpoints_;
  RuntimeState state_;
  std::unique_ptr<vmm::Driver> driver_;
  std::unique_ptr<EventLog> events_;
  std::vector<std::unique_ptr<Line>> lines_;
  std::unique_ptr<Sidecars> sidecars_;
  std::unique_ptr<LogCap> log_cap_;
  std::unique_ptr<ControlServer> server_;
  std::unique_ptr<ControlStream> control_;
  std::unique_ptr<vmm::Monitor> monitor_;
  UniqueFd control_out_, control_in_;
  std::map<std::string, UniqueFd, std::less<>> held_;  ///< what this keeper has, by the name it is held under
  std::map<std::string, std::unique_ptr<Watch>, std::less<>> accept_watches_;
  HolderLink::Inheritance inheritance_;
  UniqueFd report_;
  UniqueFd monitor_pidfd_;
  pid_t monitor_pid_ = 0;
  bool monitor_is_up_ = false;
  std::unique_ptr<Watch> monitor_watch_;
  std::optional<int> ended_status_;  ///< the wait status that the holder told, -1: unknown
  bool restart_asked_ = false;       ///< `reboot`: run it again when it has ended
  std::string failure_;              ///< why we ended the monitor, where it was not to be stopped
  std::chrono::steady_clock::time_point monitor_begun_;
  unsigned quick_ends_ = 0;
  std::string busy_;  ///< the command that is at work
  std::vector<std::string> log_tail_;
  DiskThreads::Worker files_;
  asio::steady_timer reboot_watch_;
  asio::steady_timer old_boot_;  ///< while the guest reboots: when the old boot's last bytes are looked for
  Condition changed_;            ///< state, monitor's end, boot: whoever waits looks again
  struct WordPace {
    Time begun;
    unsigned count = 0;
  };
  std::map<std::string, WordPace> word_pace_;  ///< by rule
  std::vector<json::object> told_before_;      ///< the last matches that earlier keepers told
  bool save_later_ = false;                    ///< several changes are one step: saved when all are made
  bool finished_ = false;
};

}  // namespace vmline::keeper
