/* SPDX-License-Identifier: Apache-2.0
 * Numbered lines, `B<boot> L<line> <payload>\n`: every byte of them follows from boot and line, so that a checker can tell any loss,
 * doubling or change. tests/behaviour/lines.py is the other half. */
#pragma once
#include "machine.h"

extern uint32_t lines_sent;

void numbered_start(uint32_t boot);
void numbered_next(void);
