// SPDX-License-Identifier: Apache-2.0
// A VM's lines: spools, listeners, FIFOs, ptys and dialled sockets, made where they are missing and taken where they are held; see vm.hpp.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "keeper/carried_upstream.hpp"
#include "keeper/vm.hpp"
#include "os/fifo.hpp"
#include "os/files.hpp"
#include "os/journal.hpp"
#include "os/pty.hpp"
#include "os/unix_socket.hpp"

namespace vmline::keeper {

using wire::holder::Kind;

namespace {

/// A pipe of 1 MiB holds a million one-byte writes: as long as one keeper takes to follow another, and longer.
constexpr std::size_t pipe_bytes = 1u << 20;

}  // namespace

asio::awaitable<Result<>> Vm::make_lines(bool anew) {
  for (std::size_t i = 0; i < spec_.lines.size(); ++i) {
    const api::LineSpec& line_spec = spec_.lines[i];
    const std::string& name = line_spec.name;
    std::vector<line::WordRule> rules;
    for (const api::MatchRule& rule : spec_.matches) rules.push_back({rule.name, rule.literal, rule.regex});
    auto words = line::GuestWords::create(spec_.ready.marker, std::move(rules));
    if (!words) co_return std::unexpected(words.error());
    Line::Settings settings{.spec = line_spec,
                            .log_path = line_spec.log.value_or(fmt::format("{}/lines/{}.log", vm_dir_, name)),
                            .index_path = fmt::format("{}/lines/{}.idx", vm_dir_, name),
                            .memory_dir = parts_.memory_dir,
                            .socket_path = run_path(name + ".sock"),
                            .words = std::move(*words),
                            .words_from = std::nullopt};
    // Whatever was told is in the state: where nothing is, nothing was found in this boot so far.
    if (auto boot = state_.last_boots.find(name); boot != state_.last_boots.end()) settings.words_from = boot->second.offset_low;
    if (auto heard = state_.heard.find(name); heard != state_.heard.end()) {
      settings.words_from = std::max(settings.words_from.value_or(0), heard->second);
    }
    Offset base = 0;
    if (!os::Spool::exists(parts_.memory_dir, name)) {
      if (!anew) co_return fail("the spool of " + name + " is gone: somebody has removed " + os::Spool::path(parts_.memory_dir, name));
      auto start = os::line_start(settings.index_path, settings.log_path);
      if (!start) co_return std::unexpected(start.error());
      base = *start;
    }
    auto spool = os::Spool::open(parts_.memory_dir, name, base);
    if (!spool) co_return std::unexpected(spool.error());
    auto line = std::make_unique<Line>(Line::Shared{parts_.loop, parts_.disks, parts_.holder, *events_, parts_.log}, std::move(settings),
                                       std::move(*spool));
    // The holder pumps while no keeper is there: it lets go first.
    parts_.holder.release_pump(name, [](int) {});
    auto locked = co_await line->take_lock();
    if (!locked) co_return locked;
    std::optional<line::Boot> last;
    if (auto it = state_.last_boots.find(name); it != state_.last_boots.end()) last = it->second;
    line->on_words = [this, line = line.get()](const line::WordMatch& match) { guest_said(*line, match); };
    line->start(inherited("journal:" + name), last);
    lines_.push_back(std::move(line));
  }
  co_return Result<>{};
}

Result<> Vm::make_listeners() {
  for (auto& line : lines_) {
    std::string name = "listen:" + line->spec().name;
    UniqueFd listener = inherited(name);
    if (!listener) {
      TRY_ASSIGN(listener, os::listen_at(run_path(line->spec().name + ".sock")));
      parts_.holder.hold(name, listener.get(), Kind::listener);
    }
    accept_watches_[name] = std::make_unique<Watch>(parts_.loop, listener.get());
    watch_accepts(name);
    held_[name] = std::move(listener);
  }
  return {};
}

// The holder accepts. One that is stopped or starves is seen by a connection that waits: it is asked, and replaced if it does not answer.
void Vm::watch_accepts(const std::string& name) {
  accept_watches_[name]->wait(Watch::For::read, [this, name] {
    parts_.holder.sync([this, name](int) {
      auto pause = std::make_shared<asio::steady_timer>(parts_.loop, std::chrono::milliseconds(10));
      pause->async_wait([this, name, pause](boost::system::error_code) { watch_accepts(name); });
    });
  });
}

Result<UniqueFd> Vm::take_terminal_back(const vmm::Terminal& terminal) {
  if (!monitor_pidfd_) return fail("the monitor has ended");
  auto master = os::take_descriptor(monitor_pidfd_.get(), terminal.inherited);
  if (!master) return std::unexpected(master.error().because("take the pty back from the monitor"));
  return master;
}

// QEMU opens its FIFOs by their names, as whoever it runs as.
Result<> Vm::give_to_monitor(int fd, const std::string& path) {
  constexpr auto as_it_is = static_cast<uid_t>(-1);
  if (!spec_.uid && !spec_.gid) return {};
  if (::fchown(fd, spec_.uid.value_or(as_it_is), spec_.gid.value_or(as_it_is)) != 0)
    return fail_errno("give to the monitor's user " + path);
  std::vector<std::string> folders = {parts_.places.run(), run_dir_};
  // What else lies in ROOT stays closed.
  if (parts_.places.run().starts_with(parts_.places.root() + "/")) folders.push_back(parts_.places.root());
  for (const std::string& folder : folders) {
    if (::chmod(folder.c_str(), 0711) != 0) return fail_errno("open to the monitor's user " + folder);
  }
  return {};
}

Result<> Vm::make_endpoints() {
  bool running = static_cast<bool>(monitor_pidfd_);
  for (const vmm::Fifo& fifo : plan_.fifos) {
    if (fifo.anew && !running) TRY(os::remove_file(fifo.path));
    TRY_ASSIGN(UniqueFd made, os::open_fifo(fifo.path));
    TRY(give_to_monitor(made.get(), fifo.path));
    if (fifo.path == plan_.control_in)
      control_in_ = std::move(made);
    else if (fifo.path == plan_.control_out)
      control_out_ = std::move(made);
    // Carried lines' FIFOs are opened again by connect_line; until then this open keeps what is in them.
    else
      held_["fifo-path:" + fifo.path] = std::move(made);
  }
  for (const vmm::Terminal& terminal : plan_.terminals) {
    std::string slave_name = "slave:" + terminal.line;
    UniqueFd master = inherited(terminal.held);
    if (!master && running) {
      auto taken = take_terminal_back(terminal);
      if (taken) {
        master = std::move(*taken);
        (void)::fcntl(master.get(), F_SETFL, O_RDWR | O_NONBLOCK);
        parts_.holder.hold(terminal.held, master.get());
      } else {
        for (auto& line : lines_) {
          if (line->spec().name == terminal.line) line->set_typing_note(taken.error().sentence());
        }
        parts_.log.warning(taken.error().sentence());
        continue;
      }
    }
    if (!master) {
      TRY_ASSIGN(os::Pty pty, os::Pty::create(terminal.by_lines ? os::Pty::Mode::lines : os::Pty::Mode::raw));
      parts_.holder.hold(terminal.held, pty.master.get());
      parts_.holder.hold(slave_name, pty.slave.get());
      held_[slave_name] = std::move(pty.slave);
      master = std::move(pty.master);
    } else if (UniqueFd slave = inherited(slave_name)) {
      held_[slave_name] = std::move(slave);
    } else {
      TRY_ASSIGN(UniqueFd own, os::open_slave(master.get()));
      parts_.holder.hold(slave_name, own.get());
      held_[slave_name] = std::move(own);
    }
    held_[terminal.held] = std::move(master);
  }
  return {};
}

Result<> Vm::connect_line(Line& line, const vmm::LinePlan& plan) {
  const std::string& name = plan.name;
  // The holder gets an open of its own: the line's lock is on ours, and a description that is handed on outlives us, lock and all.
  TRY_ASSIGN(UniqueFd spool, os::open_file("spool", line.spool().file_path(), O_RDWR | O_NOFOLLOW));
  parts_.holder.hold("spool:" + name, spool.get());
  held_["spool:" + name] = std::move(spool);
  parts_.holder.hold("note:" + name, line.spool().note_fd());
  if (plan.upstream == api::UpstreamKind::listen) return listen_for(line, plan);
  if (plan.upstream == api::UpstreamKind::dial) return {};  // once the monitor has bound its socket: dial_lines
  TRY_ASSIGN(UniqueFd output, os::open_fifo(plan.output_fifo));
  held_.erase("fifo-path:" + plan.output_fifo);
  std::size_t size = os::grow_pipe(output.get(), pipe_bytes);
  parts_.holder.hold("fifo:" + name, output.get());
  int input = -1;
  if (plan.typing == vmm::Typing::fifo) {
    TRY_ASSIGN(UniqueFd fifo, os::open_fifo(plan.input_fifo));
    held_.erase("fifo-path:" + plan.input_fifo);
    input = fifo.get();
    // Typed bytes wait in it for the monitor over our death.
    parts_.holder.hold("input:" + name, fifo.get());
    held_["input:" + name] = std::move(fifo);
  } else if (plan.typing == vmm::Typing::terminal) {
    for (const vmm::Terminal& terminal : plan_.terminals) {
      if (terminal.line == name && held_.contains(terminal.held)) input = held_[terminal.held].get();
    }
  } else if (plan.typing == vmm::Typing::none) {
    line.set_typing_note(plan.no_typing);
  }
  line.connect(std::make_unique<CarriedUpstream>(parts_.loop, std::move(output), input, size));
  parts_.holder.allow_pump(name, line.spec().backlog, line.spec().stall_limit);
  return {};
}

KeptSocket Vm::kept_socket(const std::string& line) {
  return {inherited("upstream:" + line), inherited("pipe-out:" + line), inherited("pipe-in:" + line)};
}

asio::awaitable<Result<>> Vm::dial_lines() {
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    Line& line = *lines_[i];
    const vmm::LinePlan& plan = plan_.lines[i];
    if (plan.upstream != api::UpstreamKind::dial || line.upstream()) continue;
    auto dialled = DialUpstream::create(parts_.loop, parts_.holder, plan.name, plan.socket_path, kept_socket(plan.name));
    if (!dialled) co_return std::unexpected(dialled.error());
    connect_socket(line, std::move(*dialled));
    // A monitor of ours binds it before it answers vm.create; somebody else's comes when it comes.
    if (!plan.monitor_binds) continue;
    bool open = co_await changed_.wait_for(std::chrono::seconds(10), [&] { return line.upstream_is_open() || !monitor_is_up_; });
    if (!open || !line.upstream_is_open())
      co_return fail(fmt::format("the monitor did not bind {} within 10 s", plan.socket_path), ErrorKind::timed_out);
  }
  co_return Result<>{};
}

Result<> Vm::listen_for(Line& line, const vmm::LinePlan& plan) {
  std::string name = "listen-upstream:" + plan.name;
  UniqueFd listener = inherited(name);
  if (!listener) {
    TRY_ASSIGN(listener, os::listen_at(plan.socket_path));
    parts_.holder.hold(name, listener.get());
  }
  UniqueFd copy(::fcntl(listener.get(), F_DUPFD_CLOEXEC, 0));
  held_[name] = std::move(listener);
  TRY_ASSIGN(auto listening, ListenUpstream::create(parts_.loop, parts_.holder, plan.name, std::move(copy), kept_socket(plan.name)));
  connect_socket(line, std::move(listening));
  return {};
}

void Vm::connect_socket(Line& line, std::unique_ptr<SocketUpstream> upstream) {
  // A monitor of ours tells its reboots itself.
  if (plan_.processes.empty()) {
    upstream->on_reconnected = [this, &line] {
      constexpr const char* cause = "the monitor came again";
      // The socket of one that is being killed can still be connected to, for nothing: a connection that brought no byte was no boot.
      auto last = state_.last_boots.find(line.spec().name);
      if (last != state_.last_boots.end() && last->second.cause == cause && last->second.offset == line.head()) return;
      begin_boot(cause);
    };
  }
  const std::string& name = line.spec().name;
  bool was_connected = state_.connected.contains(name);
  auto note = [this, &line, &name] {
    bool is_open = line.upstream_is_open();
    if (is_open == state_.connected.contains(name)) return;
    if (is_open)
      state_.connected.insert(name);
    else
      state_.connected.erase(name);
    save();
  };
  line.connect(std::move(upstream), [this, note] {
    note();
    changed_.notify();
  });
  // Both of ours were killed: the connection ended with them, and the monitor did not wait for the next.
  if (was_connected && !line.upstream_is_open()) line.note_loss(line::cause_unheard);
  note();
  parts_.holder.allow_pump(line.spec().name, line.spec().backlog, line.spec().stall_limit);
}

}  // namespace vmline::keeper
