// SPDX-License-Identifier: Apache-2.0
// A running QEMU by QMP over two FIFOs. The keeper reads what QEMU writes and feeds it here; a call waits until its answer is among that.
// An answer to a keeper before this one has another id and is nobody's.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio.hpp>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdlib>
#include <map>

#include "base/limits.hpp"
#include "vmm/qemu/arguments.hpp"
#include "vmm/qemu/qemu.hpp"
#include "vmm/qemu/qmp_message.hpp"
#include "vmm/qemu/qmp_reader.hpp"
#include "vmm/version.hpp"
#include "wire/api/size.hpp"

namespace vmline::vmm::qemu {
namespace {

/// A question on its way, for as long as its caller waits. It takes itself out of the list when the caller is cancelled.
class Question {
 public:
  using List = std::map<std::string, Question*, std::less<>>;

  Question(List& list, std::string id, const asio::any_io_executor& executor) : list_(list), id_(std::move(id)), timer_(executor) {
    list_[id_] = this;
  }
  ~Question() { list_.erase(id_); }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  void answer(QmpAnswer answer) {
    answer_ = std::move(answer);
    timer_.cancel();
  }
  void give_up() { timer_.cancel(); }
  asio::awaitable<std::optional<QmpAnswer>> wait(std::chrono::milliseconds limit) {
    timer_.expires_after(limit);
    if (!answer_) co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    co_return std::move(answer_);
  }

 private:
  List& list_;
  std::string id_;
  asio::steady_timer timer_;
  std::optional<QmpAnswer> answer_;
};

class QmpMonitor final : public Monitor {
 public:
  explicit QmpMonitor(const MonitorContext& context)
      : executor_(context.executor), control_in_(context.control_in), id_prefix_(context.id_prefix) {
    if (const char* any = std::getenv("VMLINE_ANY_VERSION")) surroundings_.push_back(std::string("VMLINE_ANY_VERSION=") + any);
  }

  asio::awaitable<Result<>> create() override {
    boost::json::object none;
    auto answer = co_await ask("qmp_capabilities", std::move(none), limits::monitor_start_time);
    if (!answer) co_return std::unexpected(answer.error());
    // Its greeting has come before that answer, and no guest has run yet.
    if (auto taken = check_version(qemu_versions, version_, surroundings_); !taken) co_return taken;
    // A keeper before this one has done it: "Capabilities negotiation is already complete, command ignored".
    if (answer->error_class == "CommandNotFound") co_return Result<>{};
    co_return accepted("qmp_capabilities", *answer);
  }
  asio::awaitable<Result<>> start() override { co_return co_await command("cont", limits::monitor_start_time); }
  asio::awaitable<Result<>> power_button() override { co_return co_await command("system_powerdown", limits::monitor_answer_time); }
  asio::awaitable<Result<>> reset() override { co_return co_await command("system_reset", limits::monitor_answer_time); }
  asio::awaitable<Result<>> pause() override { co_return co_await command("stop", limits::monitor_answer_time); }
  asio::awaitable<Result<>> resume() override { co_return co_await command("cont", limits::monitor_answer_time); }
  asio::awaitable<Result<>> nmi() override { co_return co_await command("inject-nmi", limits::monitor_answer_time); }
  asio::awaitable<Result<>> send_break(std::string line) override {
    boost::json::object arguments{{"id", chardev_id(line)}};
    auto answer = co_await negotiated("chardev-send-break", std::move(arguments), limits::monitor_answer_time);
    if (!answer) co_return std::unexpected(answer.error());
    co_return accepted("chardev-send-break", *answer);
  }
  asio::awaitable<Result<>> quit() override { co_return co_await command("quit", limits::monitor_answer_time); }

  asio::awaitable<Result<GuestState>> state() override {
    boost::json::object none;
    auto answer = co_await negotiated("query-status", std::move(none), limits::monitor_answer_time);
    if (!answer) co_return std::unexpected(answer.error());
    auto good = accepted("query-status", *answer);
    if (!good) co_return std::unexpected(good.error());
    auto state = state_in(answer->value);
    if (!state) co_return std::unexpected(state.error().because("QEMU query-status"));
    co_return state;
  }

  void ended() override {
    ended_ = true;
    for (auto& [id, question] : questions_) question->give_up();
  }

  [[nodiscard]] std::size_t unfinished() const override { return reader_.unfinished(); }

  std::vector<MonitorEvent> feed(std::span<const std::byte> bytes) override {
    std::vector<MonitorEvent> events;
    reader_.feed(bytes, [&](const boost::json::object& message) {
      if (auto event = event_in(message)) {
        events.push_back(std::move(*event));
      } else if (auto answer = answer_in(message)) {
        auto question = questions_.find(answer->id);
        if (question != questions_.end()) question->second->answer(std::move(*answer));
      } else if (std::string version = version_in(message); !version.empty()) {
        version_ = std::move(version);
      }
    });
    return events;
  }

 private:
  asio::awaitable<Result<>> command(std::string name, std::chrono::milliseconds limit) {
    boost::json::object none;
    auto answer = co_await negotiated(name, std::move(none), limit);
    if (!answer) co_return std::unexpected(answer.error());
    co_return accepted(name, *answer);
  }

  static Result<> accepted(const std::string& name, const QmpAnswer& answer) {
    if (!answer.error.empty()) return fail(fmt::format("QEMU {}: {}", name, answer.error));
    return {};
  }

  /// Asks, and negotiates first where a keeper before this one was killed before it could.
  asio::awaitable<Result<QmpAnswer>> negotiated(std::string name, boost::json::object arguments, std::chrono::milliseconds limit) {
    auto answer = co_await ask(name, arguments, limit);
    bool must = answer && answer->error_class == "CommandNotFound" && answer->error.find("negotiation") != std::string::npos;
    if (!must) co_return answer;
    auto created = co_await create();
    if (!created) co_return std::unexpected(created.error());
    co_return co_await ask(name, std::move(arguments), limit);
  }

  asio::awaitable<Result<QmpAnswer>> ask(std::string name, boost::json::object arguments, std::chrono::milliseconds limit) {
    if (ended_) co_return fail(fmt::format("QEMU {}: it has ended", name));
    Question question(questions_, fmt::format("{}-{}", id_prefix_, ++asked_), executor_);
    auto sent = send(command_line(name, fmt::format("{}-{}", id_prefix_, asked_), arguments));
    if (!sent) co_return std::unexpected(sent.error().because("QEMU " + name));
    auto answer = co_await question.wait(limit);
    if (answer) co_return std::move(*answer);
    if (ended_) co_return fail(fmt::format("QEMU {}: it has ended", name));
    co_return fail(fmt::format("QEMU {}: no answer within {}", name, api::format_duration(limit)), ErrorKind::timed_out);
  }

  Result<> send(const std::string& line) const {
    ssize_t written = -1;
    do {
      written = ::write(control_in_, line.data(), line.size());
    } while (written < 0 && errno == EINTR);
    if (written == static_cast<ssize_t>(line.size())) return {};
    // Not longer than PIPE_BUF, so there is no "half of it"; a full FIFO is thousands of questions that nobody has read.
    if (errno == EAGAIN) return fail("it does not read its QMP any more", ErrorKind::timed_out);
    return fail_errno("write to its QMP");
  }

  asio::any_io_executor executor_;
  int control_in_;
  std::string id_prefix_;
  std::vector<std::string> surroundings_;  ///< of our environment, what decides about versions
  std::string version_;                    ///< as its greeting says; a keeper before this one may have read that
  std::uint64_t asked_ = 0;
  bool ended_ = false;
  QmpReader reader_;
  Question::List questions_;
};

class Qemu final : public Driver {
 public:
  Result<Plan> plan(const api::Spec& spec, const Endpoints& endpoints, const Host& host) const override {
    return make_plan(spec, endpoints, host);
  }
  Result<std::vector<ApiRequest>> requests(const api::Spec&, const Endpoints&) const override {
    return std::vector<ApiRequest>{{"qmp_capabilities", "", ""}, {"cont", "", ""}};
  }
  std::vector<StopStep> stop_steps(const api::Spec& spec) const override { return make_stop_steps(spec); }
  std::unique_ptr<Monitor> monitor(const MonitorContext& context) const override { return make_monitor(context); }
};

}  // namespace

std::unique_ptr<Monitor> make_monitor(const MonitorContext& context) { return std::make_unique<QmpMonitor>(context); }
std::unique_ptr<Driver> make_driver() { return std::make_unique<Qemu>(); }

}  // namespace vmline::vmm::qemu
