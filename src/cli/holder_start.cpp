// SPDX-License-Identifier: Apache-2.0
// Starts a VM's holder and waits for its report; see holder_start.hpp.
#include "cli/holder_start.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <sstream>
#include <thread>
#include <vector>

#include "cli/interruption.hpp"
#include "cli/programs.hpp"
#include "os/files.hpp"
#include "os/lock.hpp"
#include "os/process_identity.hpp"

namespace vmline::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto silence_limit = 60s;  ///< between two reports: a step of a start that takes longer has a shorter limit of its own
constexpr auto leave_limit = 10s;    ///< for the holder of a start that failed to be gone
constexpr int report_number = 4;     ///< of the report's pipe in the holder

struct Child {
  pid_t pid = 0;
  UniqueFd process;  ///< its pidfd
  UniqueFd report;   ///< the pipe's end to read
};

struct ChildPlan {
  std::vector<std::string> arguments;
  std::vector<char*> argv;
  int null = -1;
  int log = -1;
  int report = -1;
};

/// Between fork and exec, where another thread of ours may have held any lock: system calls only.
[[noreturn]] void become_holder(const ChildPlan& plan) {
  ::setsid();
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int signal : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD, SIGTTOU}) ::signal(signal, SIG_DFL);
  bool placed =
      ::dup2(plan.null, 0) >= 0 && ::dup2(plan.null, 1) >= 0 && ::dup2(plan.log, 2) >= 0 && ::dup2(plan.report, report_number) >= 0;
  if (plan.report == report_number) ::fcntl(report_number, F_SETFD, 0);
  ::close(3);
  ::syscall(SYS_close_range, report_number + 1, ~0U, 0);
  if (placed && ::chdir("/") == 0) ::execv(plan.argv[0], plan.argv.data());
  constexpr std::string_view failure = "the holder could not be executed\n";
  (void)!::write(2, failure.data(), failure.size());
  ::_exit(127);
}

Result<Child> start_child(const os::Places& places, std::string_view name, const std::string& log_path) {
  TRY_ASSIGN(std::string holder, find_program("vmline-holder"));
  TRY_ASSIGN(std::string keeper, find_program("vmline-keeper"));
  TRY_ASSIGN(UniqueFd null, os::open_file("nothing", "/dev/null", O_RDWR));
  TRY_ASSIGN(UniqueFd log, os::open_file("log", log_path, O_WRONLY | O_APPEND | O_CREAT));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe for the holder's report");
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  ChildPlan plan;
  plan.arguments = {
      holder,       "--report",       std::to_string(report_number), places.run_dir(name), "--", keeper, "--root", places.root(), "--run",
      places.run(), std::string(name)};
  for (std::string& argument : plan.arguments) plan.argv.push_back(argument.data());
  plan.argv.push_back(nullptr);
  plan.null = null.get();
  plan.log = log.get();
  plan.report = write_end.get();
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno("start the holder");
  if (pid == 0) become_holder(plan);
  UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  return Child{pid, std::move(process), std::move(read_end)};
}

/// Of one that is stopped: it makes no more of them.
std::vector<UniqueFd> children_of(pid_t pid) {
  std::vector<UniqueFd> children;
  auto text = os::read_file(fmt::format("/proc/{0}/task/{0}/children", pid), 1u << 16);
  std::istringstream pids(text ? *text : std::string());
  for (pid_t child = 0; pids >> child;) {
    UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    if (process) children.push_back(std::move(process));
  }
  return children;
}

/// Ends a holder and what it has started. The holder first stands still, so that it starts no keeper again; by the time at which its
/// keeper could miss it (200 ms), both are gone.
void end_family(const Child& holder) {
  if (!holder.process) return;
  os::signal_process(holder.process.get(), SIGSTOP);
  siginfo_t stopped{};
  for (int tries = 0; tries < 50 && ::waitid(P_PIDFD, static_cast<id_t>(holder.process.get()), &stopped, WSTOPPED | WEXITED | WNOHANG) == 0;
       ++tries) {
    if (stopped.si_pid != 0) break;
    std::this_thread::sleep_for(1ms);
  }
  std::vector<UniqueFd> children = children_of(holder.pid);
  for (const UniqueFd& child : children) os::signal_process(child.get(), SIGKILL);
  os::signal_process(holder.process.get(), SIGKILL);
  children.push_back(UniqueFd(::fcntl(holder.process.get(), F_DUPFD_CLOEXEC, 0)));
  for (const UniqueFd& one : children) (void)os::ends_within(one.get(), 5s);
}

/// The last line in the log from `begin` on: what a holder or keeper said before it died.
std::string last_words(const std::string& log_path, off_t begin) {
  UniqueFd log(::open(log_path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat st{};
  if (!log || ::fstat(log.get(), &st) != 0) return "";
  std::array<char, 2048> tail;
  begin = std::max(begin, st.st_size - static_cast<off_t>(tail.size()));
  ssize_t size = ::pread(log.get(), tail.data(), tail.size(), begin);
  std::string_view text(tail.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  while (text.ends_with('\n')) text.remove_suffix(1);
  return std::string(text.substr(text.rfind('\n') + 1));
}

Result<boost::json::object> await_result(int report_pipe, std::string_view name, const StartReport::Progress& progress,
                                         const Interruption& interruption, bool& reported) {
  StartReport report(progress);
  while (true) {
    switch (interruption.wait(report_pipe, std::chrono::steady_clock::now() + silence_limit)) {
      case Interruption::Woken::interrupted: reported = false; return fail(fmt::format("{}: given up", name));
      case Interruption::Woken::timed_out:
        reported = false;
        return fail(fmt::format("{}: the keeper has reported nothing for {} s", name, silence_limit.count()), ErrorKind::timed_out);
      case Interruption::Woken::ready: break;
    }
    std::array<char, 4096> buffer;
    ssize_t size = ::read(report_pipe, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return fail("");
    if (auto result = report.feed({buffer.data(), static_cast<std::size_t>(size)})) return *std::move(result);
  }
}

}  // namespace

Result<boost::json::object> start_holder(const os::Places& places, std::string_view name, const StartReport::Progress& progress,
                                         GivenUp given_up, std::stop_token stop) {
  std::string log_path = places.vm_dir(name) + "/vmline.log";
  TRY(os::make_folders(places.run_dir(name), 0700));
  struct stat st{};
  off_t said_before = ::stat(log_path.c_str(), &st) == 0 ? st.st_size : 0;
  Interruption interruption(std::move(stop));
  TRY_ASSIGN(Child child, start_child(places, name, log_path));
  bool reported = true;
  auto result = await_result(child.report.get(), name, progress, interruption, reported);
  if (result) return result;
  if (!reported) {
    if (given_up == GivenUp::ended) end_family(child);
    return result;
  }
  if (result.error().sentence().empty()) {
    std::string words = last_words(log_path, said_before);
    result = fail(
        fmt::format("{}: the holder ended before it had started: {}", name, words.empty() ? "it said nothing; see " + log_path : words));
  }
  // It is on its way out. What a failed start leaves behind is cleaned up by the caller, so it must really be gone.
  if (child.process && os::ends_within(child.process.get(), leave_limit)) return result;
  end_family(child);
  return result;
}

bool holder_lives(const os::Places& places, std::string_view name) {
  UniqueFd file(::open((places.run_dir(name) + "/holder.lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return false;
  auto free = os::try_lock(file.get());
  return free && !*free;
}

}  // namespace vmline::cli
