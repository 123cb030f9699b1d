/* SPDX-License-Identifier: Apache-2.0
 * An idle guest sleeps: a machine that runs a dozen of them for tests must not notice. */
#pragma once

#include <stdbool.h>

void idle_start(void);
/* Takes any interrupt of a device other than COM1 for the generic event device's, and that for the power button: nothing else in these
 * machines interrupts. (Its status byte would say more, but Cloud Hypervisor has it far above 4 GiB.) */
void idle_watch_events(void);
bool idle_event_seen(void);
/* Returns at the next input, or after some 20 ms, so that a power button can be looked for. May return for nothing. */
void idle_wait(void);
