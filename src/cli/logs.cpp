// SPDX-License-Identifier: Apache-2.0
// `vmline logs`: a line's history, of a running VM from its keeper, of a stopped one from its journal.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>

#include "cli/commands.hpp"
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
  LogPrinter(bool as_text, Offset end) : as_text_(as_text), end_(end), style_(style_of(STDOUT_FILENO)) {}

  /// False when all that was asked for is there.
  bool take(const LineMessage& message) {
    if (const auto* bytes = std::get_if<LineBytes>(&message)) {
      if (bytes->offset >= end_) return false;
      show(std::string_view(bytes->data).substr(0, std::min<std::uint64_t>(bytes->data.size(), end_ - bytes->offset)));
      return bytes->offset + bytes->data.size() < end_;
    }
    if (const auto* boot = std::get_if<LineBoot>(&message)) {
      if (boot->offset >= end_) return false;
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
  Offset end_;
  Style style_;
  PlainText text_;
  bool at_line_begin_ = true;
};

asio::awaitable<Result<>> print_stream(LineStream& stream, LogPrinter& printer, bool follow) {
  while (true) {
    auto message = co_await stream.next();
    if (!message) co_return std::unexpected(message.error());
    if (std::holds_alternative<LineClosing>(*message)) co_return Result<>();
    if (std::holds_alternative<LineReplayEnded>(*message) && !follow) co_return Result<>();
    if (!printer.take(*message)) co_return Result<>();
  }
}

Result<Range> boot_of_running(const Context& context, const LineName& name, const std::string& line, std::int64_t number) {
  TRY_ASSIGN(json::value answer, context.finder.client(name.vm).get(fmt::format("/v1/lines/{}/boots", line), 30s));
  std::vector<BootPlace> boots;
  if (answer.is_object()) {
    for (const json::object& boot : objects_field(answer.get_object(), "boots"))
      boots.push_back({number_field(boot, "boot"), number_field(boot, "offset")});
  }
  return find_boot(boots, number, UINT64_MAX, fmt::format("{}/{}", name.vm, line));
}

Result<> log_of_running(const Context& context, const LineName& name, const std::string& line, const LogsOptions& options, bool as_text) {
  std::string from = options.from.value_or("start");
  Offset end = UINT64_MAX;
  if (options.boot) {
    TRY_ASSIGN(Range range, boot_of_running(context, name, line, *options.boot));
    from = std::to_string(range.begin);
    end = range.end;
  }
  LogPrinter printer(as_text, end);
  asio::io_context loop(1);
  LineStream stream(loop, context.finder, {name.vm, line, from});
  Result<> result;
  asio::co_spawn(loop, print_stream(stream, printer, options.follow), [&](std::exception_ptr, Result<> done) {
    result = std::move(done);
    loop.stop();
  });
  loop.run();
  printer.finish();
  return result;
}

Result<> log_of_stopped(const Context& context, const LineName& name, const LogsOptions& options, bool as_text) {
  TRY_ASSIGN(HistoryReader history, HistoryReader::open(context.places, name.vm, name.line));
  Range range{0, history.end()};
  if (options.boot) {
    TRY_ASSIGN(range, history.boot(*options.boot));
  } else {
    TRY_ASSIGN(range.begin, history.resolve(options.from.value_or("start")));
  }
  LogPrinter printer(as_text, range.end);
  TRY(history.read(range, [&](const LineMessage& message) { return printer.take(message); }));
  printer.finish();
  return {};
}

}  // namespace

Result<int> logs(const Context& context, const LogsOptions& options) {
  TRY_ASSIGN(LineName name, LineName::parse(options.line));
  TRY_ASSIGN(FoundVm found, context.finder.find(name.vm));
  bool as_text = !options.raw && ::isatty(STDOUT_FILENO);
  if (found.running()) {
    TRY(log_of_running(context, name, line_of(name, found.vm), options, as_text));
  } else {
    TRY(log_of_stopped(context, name, options, as_text));
  }
  return 0;
}

}  // namespace vmline::cli
