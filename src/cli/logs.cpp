// SPDX-License-Identifier: Apache-2.0
// `vmline logs`: a line's history, of a running VM from its keeper, of a stopped one from its journal.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/fields.hpp"
#include "cli/history_reader.hpp"
#include "cli/line_stream.hpp"
#include "cli/output.hpp"
#include "cli/plain_text.hpp"

namespace vmline::cli {
namespace {

using namespace std::chrono_literals;

/// A guest's bytes as they are, or as plain text with boots and gaps between them on a terminal.
class LogPrinter {
 public:
  explicit LogPrinter(bool as_text) : as_text_(as_text), style_(style_of(STDOUT_FILENO)) {}

  void stop_at(Offset end) { end_ = end; }
  /// The offset behind what was printed; none where nothing was.
  [[nodiscard]] std::optional<Offset> reached() const { return reached_; }

  /// False when all that was asked for is there.
  bool take(const LineMessage& message) {
    if (const auto* bytes = std::get_if<LineBytes>(&message)) {
      if (bytes->offset >= end_) return false;
      reached_ = bytes->offset + bytes->data.size();
      show(std::string_view(bytes->data).substr(0, std::min<std::uint64_t>(bytes->data.size(), end_ - bytes->offset)));
      return *reached_ < end_;
    }
    if (const auto* boot = std::get_if<LineBoot>(&message)) {
      if (boot->offset >= end_) return false;
      if (std::exchange(boot_, std::max(boot_, boot->number)) >= boot->number) return true;
      if (as_text_) tell(notice(*boot));
    }
    if (const auto* gap = std::get_if<LineGap>(&message)) {
      if (as_text_)
        tell(notice(*gap));
      else
        complain(notice(*gap));
      return gap->range.end < end_;
    }
    return true;
  }

  void finish() {
    if (as_text_ && !at_line_begin_) print("\n");
  }

 private:
  void show(std::string_view data) {
    if (!as_text_) return print(data);
    std::string out;
    text_.feed(data, out);
    if (out.empty()) return;
    at_line_begin_ = out.ends_with('\n');
    print(out);
  }
  void tell(const std::string& what) {
    print(fmt::format("{}{}\n", at_line_begin_ ? "" : "\n", dim(fmt::format("── {} ──", what), style_)));
    at_line_begin_ = true;
  }

  bool as_text_;
  Offset end_ = UINT64_MAX;
  std::optional<Offset> reached_;
  std::uint64_t boot_ = 0;  ///< the newest that was told
  Style style_;
  PlainText text_;
  bool at_line_begin_ = true;
};

enum class Ended {
  as_asked,
  with_the_vm,  ///< what was not handed out by then stands in the journal
};

asio::awaitable<Result<Ended>> print_stream(LineStream& stream, LogPrinter& printer, bool follow) {
  while (true) {
    auto message = co_await stream.next();
    if (!message) co_return std::unexpected(message.error());
    if (std::holds_alternative<LineClosing>(*message)) co_return Ended::with_the_vm;
    if (std::holds_alternative<LineReplayEnded>(*message) && !follow) co_return Ended::as_asked;
    if (!printer.take(*message)) co_return Ended::as_asked;
  }
}

Result<Range> boot_of_running(const Context& context, const LineName& name, const std::string& line, std::int64_t number) {
  TRY_ASSIGN(json::value answer, context.finder.client(name.vm).get(fmt::format("/v1/lines/{}/boots", line), 30s));
  std::vector<BootPlace> boots;
  if (answer.is_object()) {
    for (const json::object& boot : objects_field(answer.get_object(), "boots")) {
      boots.push_back({number_field(boot, "boot"), number_field(boot, "offset"), number_field(boot, "offset_low")});
    }
  }
  return find_boot(boots, number, UINT64_MAX, fmt::format("{}/{}", name.vm, line));
}

Result<Ended> log_of_running(const Context& context, const LineName& name, const std::string& line, const LogsOptions& options,
                             LogPrinter& printer) {
  std::string from = options.from.value_or("start");
  if (options.boot) {
    TRY_ASSIGN(Range range, boot_of_running(context, name, line, *options.boot));
    from = std::to_string(range.begin);
    printer.stop_at(range.end);
  }
  asio::io_context loop(1);
  LineStream stream(loop, context.finder, {name.vm, line, from});
  Result<Ended> result = Ended::as_asked;
  asio::co_spawn(loop, print_stream(stream, printer, options.follow), [&](std::exception_ptr, Result<Ended> ended) {
    result = std::move(ended);
    loop.stop();
  });
  loop.run();
  return result;
}

/// What the printer has not printed yet.
Result<> log_of_stopped(const Context& context, const LineName& name, const LogsOptions& options, LogPrinter& printer) {
  TRY_ASSIGN(HistoryReader history, HistoryReader::open(context.places, name.vm, name.line));
  Range range{0, history.end()};
  if (options.boot) {
    TRY_ASSIGN(range, history.boot(*options.boot));
  } else if (!printer.reached()) {
    TRY_ASSIGN(range.begin, history.resolve(options.from.value_or("start")));
  }
  printer.stop_at(range.end);
  range.begin = std::max(range.begin, printer.reached().value_or(0));
  return history.read(range, [&](const LineMessage& message) {
    (void)printer.take(message);  // the range ends it: what was lost at its end is told too
    return true;
  });
}

Result<> print_log(const Context& context, const LineName& name, const LogsOptions& options, LogPrinter& printer) {
  TRY_ASSIGN(FoundVm found, context.finder.find(name.vm));
  if (!found.running()) return log_of_stopped(context, name, options, printer);
  auto ended = log_of_running(context, name, line_of(name, found.vm), options, printer);
  if (ended && *ended == Ended::as_asked) return {};
  if (!ended && !is_lost_connection(ended.error())) return std::unexpected(ended.error());
  // It stopped while it was asked.
  TRY_ASSIGN(os::CommandLock lock, context.finder.lock(name.vm));
  auto again = context.finder.find_at_its_end(name.vm, lock);
  bool stopped = again && !again->running();
  if (ended && (printer.reached() || options.follow) && !stopped) return {};  // removed or started again: this was the end all the same
  if (!again) return std::unexpected(again.error());
  if (!stopped) return fail(fmt::format("{} was started again meanwhile; ask again", name.vm), ErrorKind::conflict);
  auto rest = log_of_stopped(context, name, options, printer);
  // A line without a journal was told for as long as there was somebody to ask.
  return ended && printer.reached() ? Result<>() : rest;
}

}  // namespace

Result<int> logs(const Context& context, const LogsOptions& options) {
  TRY_ASSIGN(LineName name, LineName::parse(options.line));
  LogPrinter printer(!options.raw && ::isatty(STDOUT_FILENO));
  auto printed = print_log(context, name, options, printer);
  printer.finish();
  TRY(printed);
  return 0;
}

}  // namespace vmline::cli
