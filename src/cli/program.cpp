// SPDX-License-Identifier: Apache-2.0
// The program `vmline`; see program.hpp.
#include "cli/program.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "cli/command_line.hpp"
#include "cli/output.hpp"

namespace vmline::cli {
namespace {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage: return 2;
    case ErrorKind::not_found: return 3;
    case ErrorKind::timed_out: return 4;
    case ErrorKind::failed:
    case ErrorKind::conflict: break;
  }
  return 1;
}

/// A descriptor that somebody closed would be given to the next file that is opened, and be written to as stdout.
void fill_standard_descriptors() {
  int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  while (fd >= 0 && fd <= 2) fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (fd >= 0) ::close(fd);
}

Result<int> run_command(CommandLine& table, int argc, const char* const* argv) {
  TRY_ASSIGN(CommandLine::Parsed parsed, table.parse(argc, argv));
  if (!parsed.action) {
    print(parsed.text);
    return 0;
  }
  TRY_ASSIGN(os::Places places, os::Places::from(table.root()));
  Context context(std::move(places));
  return parsed.action(context);
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  fill_standard_descriptors();
  ::signal(SIGCHLD, SIG_IGN);  // holders that were started are nobody's to wait for; they reap themselves
  CommandLine table;
  auto code = run_command(table, argc, argv);
  if (code) return *code;
  complain(code.error().sentence());
  return exit_code(code.error().kind());
}

}  // namespace vmline::cli
