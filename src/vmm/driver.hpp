// SPDX-License-Identifier: Apache-2.0
// A driver knows one kind of monitor: plan() decides what to start, a Monitor talks to the one that runs. Nothing here reads the control
// stream or owns a process: the keeper does.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "vmm/plan.hpp"
#include "wire/api/spec.hpp"

namespace vmline::vmm {

namespace asio = boost::asio;

/// Facts of this host that a plan depends on; host.hpp finds them out.
struct Host {
  std::string binary{};                    ///< the monitor's program, a path; empty where the driver has none
  std::vector<std::string> environment{};  ///< handed on to the processes
  bool kvm_opens = false;                  ///< /dev/kvm opens read-write
  std::string kvm_error{};                 ///< else why: "Permission denied"
  std::string version{};                   ///< of the monitor, as it says itself: "53.0"; empty: it was not asked
  std::string virtiofsd{};                 ///< its program, a path; empty where the spec has no shares
  bool cpu_virtualizes = false;            ///< vmx or svm is among the CPU's flags
  bool vhost_net = false;                  ///< /dev/vhost-net opens read-write
  bool root = false;                       ///< processes are started as root, unless the spec has a uid
  std::vector<std::string> warnings{};     ///< for the user: programs that were passed over
};

struct MonitorEvent {
  enum class Kind { booted, rebooting, rebooted, reset, shutdown, powerdown, paused, resumed, panicked, stopped, other };
  Kind kind = Kind::other;
  /// A boot ends about here, and the next begins about here (not the first one): QEMU's RESET is both. Cloud Hypervisor says `rebooting`
  /// before it has stopped a guest that is reset from outside, and `rebooted` once it has let the next boot run. Several RESETs without a
  /// byte of the guest's between are one boot: SeaBIOS resets QEMU's machine again, once or twice, within 50 ms of a reset.
  bool ends_boot = false;
  bool begins_boot = false;
  std::string text;        ///< the monitor's own words: "vm rebooting", "RESET guest-reset"
  std::optional<Time> at;  ///< when it happened, where the monitor tells; rather too early than too late
};

/// Where the guest is, as the monitor says.
enum class GuestState { none, created, running, paused, stopped };  ///< none: before create(); created: before start()

/// The running monitor, as its driver talks to it. May be made for a monitor that has been running for long. Each call has a time limit of
/// its own (limits::monitor_answer_time, for create and start monitor_start_time) and obeys asio's cancellation: race it against the
/// monitor's end. Calls may overlap; the Monitor must outlive them.
class Monitor {
 public:
  virtual ~Monitor() = default;
  /// Everything but the guest's first instruction: a socket that is to be dialled is bound once this returns.
  virtual asio::awaitable<Result<>> create() = 0;
  virtual asio::awaitable<Result<>> start() = 0;
  virtual asio::awaitable<Result<GuestState>> state() = 0;
  /// Asks the guest to power off. Success says that the button was pressed, not that anybody listens.
  virtual asio::awaitable<Result<>> power_button() = 0;
  virtual asio::awaitable<Result<>> reset() = 0;
  // Not every monitor can: where these are not overridden, the answer is a sentence of kind `conflict`.
  virtual asio::awaitable<Result<>> pause();
  virtual asio::awaitable<Result<>> resume();
  /// A non-maskable interrupt to all CPUs: a guest that is set up for it panics or dumps.
  virtual asio::awaitable<Result<>> nmi();
  /// A break condition on that line's UART, as for SysRq.
  virtual asio::awaitable<Result<>> send_break(std::string line);
  /// Asks the monitor to leave; its end is the pidfd's news.
  virtual asio::awaitable<Result<>> quit() = 0;
  /// Bytes of the control stream as they come, in any pieces; answers to calls are found among them. Never fails: what cannot be read is
  /// skipped.
  virtual std::vector<MonitorEvent> feed(std::span<const std::byte> bytes) = 0;
  /// Its process has ended: whoever waits for an answer is told so at once, and so is whoever asks later.
  virtual void ended() {}
  /// When it was started: not before that, and as near to it as is known now. For the next MonitorContext.
  [[nodiscard]] virtual std::optional<SteadyTime> started() const { return std::nullopt; }
  /// How many of the bytes fed last begin a message that has not ended yet: a later keeper is fed again from there.
  [[nodiscard]] virtual std::size_t unfinished() const { return 0; }
};

struct MonitorContext {
  asio::any_io_executor executor;
  const api::Spec* spec = nullptr;  ///< borrowed; must outlive the Monitor
  Endpoints endpoints;
  int control_in = -1;                ///< plan.control_in opened read-write, non-blocking; borrowed
  std::string id_prefix;              ///< of this keeper alone: answers to an earlier one's questions are not mistaken for ours
  std::optional<SteadyTime> started;  ///< when the monitor was started, where known: Cloud Hypervisor counts its events from there
};

/// What a driver asks a monitor that it has started, to make and start the VM.
struct ApiRequest {
  std::string method, path;  ///< of HTTP: "PUT", "/api/v1/vm.create"; of another protocol the command, and ""
  std::string body;          ///< JSON, or empty
};

class Driver {
 public:
  virtual ~Driver() = default;
  /// Pure. An error says what the spec asks for and this monitor cannot do.
  [[nodiscard]] virtual Result<Plan> plan(const api::Spec& spec, const Endpoints& endpoints, const Host& host) const = 0;
  /// What Monitor::create and start are going to ask, in order. Pure. For people who want to see it.
  [[nodiscard]] virtual Result<std::vector<ApiRequest>> requests(const api::Spec&, const Endpoints&) const {
    return std::vector<ApiRequest>{};
  }
  /// In order; empty when somebody else runs the monitor.
  [[nodiscard]] virtual std::vector<StopStep> stop_steps(const api::Spec& spec) const = 0;
  [[nodiscard]] virtual std::unique_ptr<Monitor> monitor(const MonitorContext& context) const = 0;
};

[[nodiscard]] std::unique_ptr<Driver> make_driver(api::DriverKind kind);

}  // namespace vmline::vmm
