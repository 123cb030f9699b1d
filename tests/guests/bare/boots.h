/* SPDX-License-Identifier: Apache-2.0
 * Which boot this is. */
#pragma once
#include "machine.h"

/* Counts this boot. Where memory outlives a reset (QEMU) boots are numbered from 1; elsewhere each of them is boot 1. */
uint32_t boots_count(void);
/* A number that no other boot of that number has, so that a boot that is delivered twice can be told from two boots. */
uint64_t boots_identity(void);
