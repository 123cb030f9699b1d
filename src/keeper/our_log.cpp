// SPDX-License-Identifier: Apache-2.0
// Our own log; see our_log.hpp.
#include "keeper/our_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "base/limits.hpp"
#include "base/unique_fd.hpp"
#include "base/units.hpp"
#include "os/files.hpp"
#include "wire/api/time.hpp"

namespace vmline::keeper {
namespace {

std::string_view name_of(Log::Level level) {
  return level == Log::Level::info ? "info" : level == Log::Level::warning ? "warning" : "error";
}

/// One line of limited length, with no control character that could forge another line or reach a terminal.
std::string one_line(std::string_view message) {
  std::string line(message.substr(0, limits::our_log_message));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line;
}

class SilentLog : public Log {
 public:
  void write(Level, std::string_view) override {}
};

class FileLog : public Log {
 public:
  FileLog(std::string vm, std::string path, RunOnDisk run_on_disk)
      : vm_(std::move(vm)),
        path_(std::move(path)),
        run_on_disk_(std::move(run_on_disk)),
        waiting_(std::make_shared<std::atomic<std::size_t>>(0)) {}

  void write(Level level, std::string_view message) override {
    std::string text;
    if (left_out_ > 0) text = line(Level::warning, fmt::format("{} messages were left out here: the disk did not take them", left_out_));
    text += line(level, message);
    if (*waiting_ + text.size() > limits::our_log_waiting) {
      ++left_out_;
      return;
    }
    left_out_ = 0;
    *waiting_ += text.size();
    run_on_disk_([path = path_, text = std::move(text), waiting = waiting_] {
      append(path, text);
      *waiting -= text.size();
    });
  }

 private:
  [[nodiscard]] std::string line(Level level, std::string_view message) const {
    Time now = std::chrono::time_point_cast<Time::duration>(std::chrono::system_clock::now());
    return fmt::format("{} {} {}[{}]: {}\n", api::format_time(now), name_of(level), vm_, ::getpid(), one_line(message));
  }

  /// On a disk thread. There is nobody left to tell a failure to.
  static void append(const std::string& path, std::string_view text) {
    auto file = os::open_file("our log", path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW);
    if (!file) return;
    struct stat st{};
    if (::fstat(file->get(), &st) == 0 && static_cast<std::uint64_t>(st.st_size) + text.size() > limits::our_log) {
      if (::rename(path.c_str(), (path + ".1").c_str()) != 0) return;
      file = os::open_file("our log", path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW);
      if (!file) return;
    }
    (void)os::write_all(file->get(), text, path);
  }

  std::string vm_;
  std::string path_;
  RunOnDisk run_on_disk_;
  std::shared_ptr<std::atomic<std::size_t>> waiting_;  ///< bytes; shared with jobs that may outlive us on a frozen disk
  std::size_t left_out_ = 0;
};

class JournaldLog : public Log {
 public:
  JournaldLog(std::string vm, UniqueFd socket, const sockaddr_un& address)
      : vm_(std::move(vm)), socket_(std::move(socket)), address_(address) {}

  void write(Level level, std::string_view message) override {
    if (left_out_ > 0) {
      if (!send(Level::warning, fmt::format("{} messages were left out here: journald did not take them", left_out_))) {
        ++left_out_;
        return;
      }
      left_out_ = 0;
    }
    if (!send(level, message)) ++left_out_;
  }

 private:
  bool send(Level level, std::string_view message) {
    int priority = level == Level::info ? 6 : level == Level::warning ? 4 : 3;
    std::string entry = fmt::format("MESSAGE={}\nPRIORITY={}\nSYSLOG_IDENTIFIER=vmline\nVMLINE_VM={}\n", one_line(message), priority, vm_);
    // Not connected, so that a journald that was started anew is found again.
    return ::sendto(socket_.get(), entry.data(), entry.size(), MSG_DONTWAIT | MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address_),
                    sizeof address_) >= 0;
  }

  std::string vm_;
  UniqueFd socket_;
  sockaddr_un address_;
  std::size_t left_out_ = 0;
};

}  // namespace

std::unique_ptr<Log> make_file_log(std::string vm, std::string path, RunOnDisk run_on_disk) {
  return std::make_unique<FileLog>(std::move(vm), std::move(path), std::move(run_on_disk));
}

Result<std::unique_ptr<Log>> make_journald_log(std::string vm, const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() > limits::socket_path)
    return fail(fmt::format("{}: a socket's path has at most {} bytes", socket, limits::socket_path));
  std::memcpy(address.sun_path, socket.data(), socket.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("create a socket for journald");
  // Only to learn whether somebody is there; the association is undone at once.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return fail_errno("connect to " + socket);
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  if (::connect(fd.get(), &nobody, sizeof nobody) != 0) return fail_errno("disconnect from " + socket);
  return std::make_unique<JournaldLog>(std::move(vm), std::move(fd), address);
}

bool runs_as_service() { return std::getenv("JOURNAL_STREAM") || std::getenv("INVOCATION_ID"); }

std::unique_ptr<Log> make_log(std::string vm, std::string path, RunOnDisk run_on_disk) {
  if (runs_as_service()) {
    if (auto log = make_journald_log(vm)) return std::move(*log);
  }
  return make_file_log(std::move(vm), std::move(path), std::move(run_on_disk));
}

std::unique_ptr<Log> make_silent_log() { return std::make_unique<SilentLog>(); }

}  // namespace vmline::keeper
