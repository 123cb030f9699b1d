/* SPDX-License-Identifier: Apache-2.0
 * An idle guest sleeps: a machine that runs a dozen of them for tests must not notice. */
#pragma once

void idle_start(void);
/* Returns at the next input, or after some 20 ms, so that a power button can be looked for. May return for nothing. */
void idle_wait(void);
