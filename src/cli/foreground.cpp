// SPDX-License-Identifier: Apache-2.0
// `--foreground`; see foreground.hpp.
#include "cli/foreground.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "cli/descriptor_io.hpp"
#include "cli/fields.hpp"
#include "cli/history_reader.hpp"
#include "cli/line_stream.hpp"
#include "cli/output.hpp"
#include "cli/stop.hpp"

namespace vmline::cli {
namespace {

class Foreground {
 public:
  Foreground(const Context& context, std::string name, std::string line, Offset begin)
      : context_(context),
        name_(std::move(name)),
        signals_(loop_, SIGTERM, SIGINT, SIGHUP),
        stream_(loop_, context.finder, {name_, std::move(line), std::to_string(begin)}) {}

  /// Until the line's end. Returns the offset that was reached.
  Result<Offset> run(PatientOutput& output) {
    Result<> result;
    asio::co_spawn(loop_, follow(output), [&](std::exception_ptr, Result<> done) {
      result = std::move(done);
      loop_.stop();
    });
    asio::co_spawn(loop_, obey_signals(), asio::detached);
    loop_.run();
    ending_.join();
    TRY(result);
    return stream_.offset();
  }

  asio::io_context& loop() { return loop_; }

 private:
  asio::awaitable<Result<>> follow(PatientOutput& output) {
    while (true) {
      auto message = co_await stream_.next();
      if (!message) co_return std::unexpected(message.error());
      if (std::holds_alternative<LineClosing>(*message)) co_return Result<>();
      if (const auto* gap = std::get_if<LineGap>(&*message)) complain(fmt::format("{}: {}", name_, notice(*gap)));
      // Nobody may be reading our stdout any more: the VM runs all the same, and its line is kept.
      if (const auto* bytes = std::get_if<LineBytes>(&*message)) (void)co_await output.write(bytes->data);
    }
  }

  asio::awaitable<void> obey_signals() {
    for (Ending ending = Ending::stop;; ending = Ending::kill) {
      boost::system::error_code ec;
      co_await signals_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
      if (ec) co_return;
      asio::post(ending_, [this, ending] {
        auto ended = end_vm(context_, name_, ending, {}, nullptr);
        if (!ended) complain(ended.error().sentence());
      });
    }
  }

  const Context& context_;
  std::string name_;
  asio::io_context loop_{1};
  asio::signal_set signals_;
  asio::thread_pool ending_{2};  ///< a stop, and a kill beside it
  LineStream stream_;
};

}  // namespace

Result<int> stay(const Context& context, const std::string& name, const Launched& launched) {
  ::signal(SIGPIPE, SIG_IGN);
  std::string line = line_of({name, ""}, launched.vm);
  Offset reached = launched.begin.value_or(0);
  if (text_field(launched.vm, "state") != "stopped") {
    Foreground foreground(context, name, line, reached);
    TRY_ASSIGN(PatientOutput output, PatientOutput::create(foreground.loop(), STDOUT_FILENO));
    TRY_ASSIGN(reached, foreground.run(output));
  }
  auto lock = context.finder.lock(name);
  if (!lock && lock.error().kind() == ErrorKind::not_found) return 0;  // removed by force
  if (!lock) return std::unexpected(lock.error());
  TRY_ASSIGN(FoundVm found, context.finder.find(name, &*lock));
  // One that was gone before it could be asked: the rest stands in its journal.
  if (auto history = HistoryReader::open(context.places, name, line)) {
    TRY(history->read({reached, history->end()}, [](const LineMessage& message) {
      if (const auto* bytes = std::get_if<LineBytes>(&message)) print(bytes->data);
      return true;
    }));
  }
  if (text_field(found.vm, "state") != "failed") return 0;
  return fail(fmt::format("{} failed: {}", name, text_field(found.vm, "reason")));
}

}  // namespace vmline::cli
