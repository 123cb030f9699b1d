// SPDX-License-Identifier: Apache-2.0
// `vmline attach`: a user's terminal, or a pipe, on a VM's line. However it ends, the terminal is as it was.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "cli/commands.hpp"
#include "cli/descriptor_io.hpp"
#include "cli/fields.hpp"
#include "cli/line_stream.hpp"
#include "cli/output.hpp"
#include "cli/screen.hpp"
#include "cli/terminal.hpp"
#include "cli/typist.hpp"

namespace vmline::cli {
namespace {

/// Why it was left.
struct Left {
  Result<> result;
  std::string notice;
  int signal = 0;
};

class Attachment {
 public:
  Attachment(asio::io_context& loop, const Finder& finder, LineRequest request, const AttachOptions& options, Screen screen,
             PatientOutput output, Readiness input, const std::optional<RawTerminal>& terminal)
      : loop_(loop),
        options_(options),
        title_(request.name + "/" + request.line),
        screen_(std::move(screen)),
        output_(std::move(output)),
        input_(std::move(input)),
        terminal_(terminal),
        replayed_(loop, asio::steady_timer::time_point::max()),
        signals_(loop),
        stream_(loop, finder, std::move(request)),
        typist_(loop, stream_) {
    for (int signal : {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGCONT}) signals_.add(signal);
  }

  Left run() {
    asio::co_spawn(loop_, show_line(), asio::detached);
    asio::co_spawn(loop_, obey_signals(), asio::detached);
    asio::co_spawn(loop_, typist_.run(), asio::detached);
    // A pipe is not even looked at when nothing of it may be typed; a terminal has the key to leave.
    if (!options_.read_only || terminal_) asio::co_spawn(loop_, take_input(), asio::detached);
    loop_.run();
    return std::move(left_);
  }

  [[nodiscard]] const Screen& screen() const { return screen_; }

 private:
  void leave(std::string notice = {}) {
    left_.notice = std::move(notice);
    loop_.stop();
  }
  void leave_for(const Error& error) {
    left_.result = std::unexpected(error);
    loop_.stop();
  }
  void leave_by(int signal) {
    left_.signal = signal;
    loop_.stop();
  }

  asio::awaitable<void> show_line() {
    while (true) {
      auto message = co_await stream_.next();
      if (!message) co_return leave_for(message.error());
      if (const auto* closing = std::get_if<LineClosing>(&*message)) {
        co_return leave(fmt::format("{} · {}", title_, closing->reason.empty() ? "closed" : closing->reason));
      }
      std::string text = rendered(*message);
      auto written = co_await output_.write(text);
      if (!written) co_return leave_for(written.error());
    }
  }

  std::string rendered(const LineMessage& message) {
    if (const auto* bytes = std::get_if<LineBytes>(&message)) return screen_.show(bytes->data);
    if (const auto* opened = std::get_if<LineOpened>(&message)) {
      if (opened->offset == 0) screen_.begin_line();
      return "";
    }
    if (const auto* boot = std::get_if<LineBoot>(&message)) {
      screen_.begin_line();
      return screen_.tell(notice(*boot));
    }
    if (const auto* gap = std::get_if<LineGap>(&message)) {
      std::string told = screen_.tell(notice(*gap));
      if (told.empty()) complain(fmt::format("{}: {}", title_, notice(*gap)));
      return told;
    }
    if (const auto* refused = std::get_if<LineRefused>(&message)) {
      if (std::exchange(refused_, refused->detail) == refused->detail) return "";
      std::string told = screen_.tell("not typed · " + refused->detail);
      if (told.empty()) complain(fmt::format("{}: not typed: {}", title_, refused->detail));
      return told;
    }
    if (const auto* writer = std::get_if<LineWriter>(&message)) {
      refused_.clear();
      bool lost = std::exchange(writing_, writer->you) && !writer->you && !writer->writer.empty();
      return lost ? screen_.tell(writer->writer + " has taken over the typing") : "";
    }
    if (std::holds_alternative<LineReplayEnded>(message)) {
      // Answers of the terminal to what the replay may still have asked are thrown away with what was typed meanwhile.
      if (terminal_) terminal_->discard_input();
      live_ = true;
      replayed_.cancel();
      return screen_.end_replay();
    }
    return "";
  }

  asio::awaitable<void> take_input() {
    boost::system::error_code ec;
    while (!live_ && !terminal_) co_await replayed_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    std::array<char, 4096> buffer;
    while (true) {
      if (!terminal_) co_await typist_.room(buffer.size());
      co_await input_.wait();
      ssize_t size = ::read(STDIN_FILENO, buffer.data(), buffer.size());
      if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (size <= 0) break;
      std::string_view typed(buffer.data(), static_cast<std::size_t>(size));
      std::size_t escape = terminal_ && options_.escape ? typed.find(*options_.escape) : std::string_view::npos;
      if (live_ && !options_.read_only) add(typed.substr(0, escape));
      if (escape != std::string_view::npos) co_return leave("left " + title_);
    }
    if (terminal_) co_return leave_by(SIGHUP);  // it was hung up
    co_await typist_.done();
    asio::steady_timer timer(loop_, options_.wait);
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    leave();
  }

  void add(std::string_view typed) {
    bool added = typist_.add(typed);
    if (!added && std::exchange(refused_, "full") != "full") print(screen_.tell("not typed · the guest takes nothing"));
  }

  asio::awaitable<void> obey_signals() {
    while (true) {
      boost::system::error_code ec;
      int signal = co_await signals_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
      if (ec) co_return;
      if (signal != SIGCONT) co_return leave_by(signal);
      if (terminal_) terminal_->enter_again();
    }
  }

  asio::io_context& loop_;
  const AttachOptions& options_;
  std::string title_;
  Screen screen_;
  PatientOutput output_;
  Readiness input_;
  const std::optional<RawTerminal>& terminal_;
  asio::steady_timer replayed_;  ///< never expires; cancelled when the replay has ended
  asio::signal_set signals_;
  LineStream stream_;
  Typist typist_;
  bool live_ = false;
  bool writing_ = false;
  std::string refused_;  ///< the last refusal that was told
  Left left_;
};

std::string spool_back(const json::object& vm, const std::string& line) {
  for (const json::object& entry : objects_field(vm, "lines")) {
    std::uint64_t spool = number_field(entry, "spool");
    if (text_field(entry, "name") == line && spool) return fmt::format("-{}", spool);
  }
  return fmt::format("-{}", limits::spool_default);
}

std::string key_name(char key) {
  return static_cast<unsigned char>(key) < 0x20 ? fmt::format("Ctrl-{}", static_cast<char>(key == 0x1d ? ']' : key + '@'))
                                                : std::string(1, key);
}

}  // namespace

Result<int> attach(const Context& context, const AttachOptions& options) {
  TRY_ASSIGN(LineName name, LineName::parse(options.line));
  TRY_ASSIGN(FoundVm found, context.finder.find(name.vm));
  if (!found.running()) {
    std::string state = text_field(found.vm, "state");
    return fail(fmt::format("{} is {}; see its history with `vmline logs {}`, or start it with `vmline start {}`", name.vm, state,
                            options.line, name.vm),
                ErrorKind::conflict);
  }
  std::string line = line_of(name, found.vm);
  LineRequest request{name.vm, line, options.from.value_or(spool_back(found.vm, line)), options.read_only, options.take};
  bool keyboard = ::isatty(STDIN_FILENO);
  bool display = ::isatty(STDOUT_FILENO);
  ::signal(SIGPIPE, SIG_IGN);  // it would leave the terminal raw

  Left left;
  {
    asio::io_context loop(1);
    TRY_ASSIGN(PatientOutput output, PatientOutput::create(loop, STDOUT_FILENO));
    TRY_ASSIGN(Readiness input, Readiness::create(loop, STDIN_FILENO, Readiness::For::reading));
    Screen screen(display ? Screen::Kind::terminal : Screen::Kind::stream,
                  options.from ? Screen::Beginning::whole : Screen::Beginning::at_a_line);
    if (display) {
      print(screen.tell(fmt::format("{}/{}{}{}", name.vm, line, options.read_only ? " · read-only" : "",
                                    keyboard && options.escape ? fmt::format(" · {} leaves", key_name(*options.escape)) : "")));
    }
    std::optional<RawTerminal> terminal;
    if (keyboard) {
      TRY_ASSIGN(terminal, RawTerminal::enter(STDIN_FILENO));
    }
    Attachment attachment(loop, context.finder, std::move(request), options, std::move(screen), std::move(output), std::move(input),
                          terminal);
    left = attachment.run();
    if (display) {
      Screen last = attachment.screen();
      std::string text = last.leave();
      if (!left.notice.empty() && left.result) text += fmt::format("\r\x1b[2m── {} ──\x1b[0m\r\n", left.notice);
      print(text);
    }
  }
  if (left.signal) {
    // Whoever sent it sees that it was the signal that ended us.
    ::signal(left.signal, SIG_DFL);
    ::raise(left.signal);
  }
  TRY(left.result);
  return 0;
}

}  // namespace vmline::cli
