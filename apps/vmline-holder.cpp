// SPDX-License-Identifier: Apache-2.0
// vmline-holder [--succeed] [--report FD] DIR -- KEEPER ARGV…: holds what must outlive a VM's keeper. docs/holder-protocol.md.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "holder/holder.hpp"
#include "holder/report.hpp"
#include "holder/surroundings.hpp"

namespace {

using vmline::UniqueFd;
using namespace vmline::holder;

template <class... Arguments>
int fail(int report, const char* kind, const char* format, Arguments... arguments) {
  char sentence[PATH_MAX + 256];
  ::snprintf(sentence, sizeof(sentence), format, arguments...);
  ::fprintf(stderr, "vmline-holder: %s\n", sentence);
  if (report >= 0) report_error(report, kind, sentence);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!read_options(argc, argv, options)) {
    ::fprintf(stderr, "usage: vmline-holder [--succeed] [--report FD] DIR -- KEEPER [ARGUMENT…]\n");
    return 2;
  }
  close_descriptors_on_exec();
  HolderLock lock;
  if (!lock.open(options.directory)) {
    return fail(options.report, "failed", "start %s: open %s/holder.lock: %s", options.vm, options.directory, strerrordesc_np(errno));
  }
  if (!options.succeed && !lock.take_soon()) {  // a successor waits for it while it works
    return fail(options.report, "conflict", "%s runs already: another holder has %s/holder.lock", options.vm, options.directory);
  }
  const Original original = settle_in(options.succeed ? Birth::successor : Birth::first);
  UniqueFd signals = take_signals();
  if (!signals) return fail(options.report, "failed", "start %s: signalfd: %s", options.vm, strerrordesc_np(errno));
  static constinit HeldTable held;  // zeroed memory: a page of it is there only once it is used
  static Holder holder(held, options, original, static_cast<HolderLock&&>(lock), static_cast<UniqueFd&&>(signals), UniqueFd(options.report),
                       UniqueFd(options.succeed ? vmline::wire::holder::keeper_socket : -1));
  return holder.run();
}
