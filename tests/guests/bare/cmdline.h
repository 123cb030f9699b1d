/* SPDX-License-Identifier: Apache-2.0
 * The words the guest was started with, from the PVH start info. */
#pragma once
#include <stdbool.h>

#include "machine.h"

struct start_info {
  uint32_t magic, version, flags, modules;
  uint64_t module_list, cmdline, rsdp;
};

extern char cmdline[1024];

void cmdline_take(const struct start_info* info);
bool cmdline_has(const char* word);
uint32_t cmdline_number(const char* key); /* the N of `key=N`, 0 where there is none */
