// SPDX-License-Identifier: Apache-2.0
// The keeper's parts, built and joined; see main.hpp.
#include "keeper/main.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "keeper/disk_threads.hpp"
#include "keeper/holder_link.hpp"
#include "keeper/our_log.hpp"
#include "keeper/vm.hpp"
#include "os/places.hpp"
#include "wire/api/version.hpp"
#include "wire/holder/messages.hpp"

namespace vmline::keeper {
namespace {

using namespace std::chrono_literals;

/// A keeper that has not answered its holder for so long hangs and is killed; a disk never makes it hang.
constexpr auto keeper_limit = 10s;

std::string own_program() {
  char path[4096];
  ssize_t n = ::readlink("/proc/self/exe", path, sizeof path - 1);
  std::string program(path, n > 0 ? static_cast<std::size_t>(n) : 0);
  // After an upgrade of the package the link says so of the old file; the new one has its place.
  constexpr std::string_view deleted = " (deleted)";
  if (program.ends_with(deleted)) program.resize(program.size() - deleted.size());
  return program;
}

std::string sibling(const std::string& program, std::string_view name) {
  return program.substr(0, program.rfind('/') + 1) + std::string(name);
}

/// Clients of the line: each costs this process two descriptors, and some are needed for all else.
std::uint32_t clients_most() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 100;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  rlim_t spare = 128;
  rlim_t clients = limit.rlim_cur > 2 * spare ? (limit.rlim_cur - spare) / 2 : limit.rlim_cur / 8;
  return static_cast<std::uint32_t>(std::min<rlim_t>(clients, limits::raw_clients));
}

int usage() {
  std::fputs("usage: vmline-keeper --root ROOT --run RUN NAME\nIt is started by vmline-holder; see vmline --help.\n", stderr);
  return 2;
}

}  // namespace

int keeper_main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    std::printf("vmline-keeper %s\n", api::version);
    return 0;
  }
  if (argc != 6 || std::string_view(argv[1]) != "--root" || std::string_view(argv[3]) != "--run") return usage();
  auto places = os::Places::given(argv[2], argv[4]);
  std::string name = argv[5];
  UniqueFd socket(wire::holder::keeper_socket);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  std::uint32_t clients = clients_most();

  // First of all: their descriptor table is split off before there is a lock or a client in ours.
  DiskThreads disks;
  boost::asio::io_context loop(1);
  disks.attach(loop);
  DiskThreads::Worker log_writer = disks.worker();
  auto log =
      make_log(name, places.vm_dir(name) + "/vmline.log", [&log_writer](std::function<void()> job) { log_writer.run(std::move(job)); });

  std::string program = own_program();
  HolderLink holder(loop, std::move(socket),
                    {.holder_program = sibling(program, "vmline-holder"),
                     .run_dir = places.run_dir(name),
                     .keeper_argv = {program, "--root", argv[2], "--run", argv[4], name},
                     .answer = 200ms});
  auto inheritance = holder.inherit();
  if (!inheritance) {
    log->error(inheritance.error().sentence());
    std::fprintf(stderr, "vmline-keeper: %s\n", inheritance.error().sentence().c_str());
    return 1;
  }
  holder.start();
  holder.settings(keeper_limit, clients);
  auto memory_dir = places.memory_dir(name);
  if (!memory_dir) {
    std::fprintf(stderr, "vmline-keeper: %s\n", memory_dir.error().sentence().c_str());
    holder.quit();
    return 1;
  }
  Vm vm({.loop = loop, .disks = disks, .holder = holder, .log = *log, .places = places, .name = name, .memory_dir = *memory_dir});
  boost::asio::co_spawn(loop, vm.run(std::move(*inheritance)), [&loop](std::exception_ptr failure) {
    // A broken invariant: the next keeper takes the line up from what the kernel keeps.
    if (failure) std::abort();
    loop.stop();
  });
  loop.run();
  std::fflush(nullptr);
  // Threads that hang on a disk are left to it, and nothing is taken apart under them.
  ::_exit(0);
}

}  // namespace vmline::keeper
