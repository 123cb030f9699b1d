/* SPDX-License-Identifier: Apache-2.0
 * 61 bytes a line, a prime, so that line ends fall on every place of pages, buffers and pipes. */
#include "numbered.h"

#include "uart.h"

enum { alphabet = 36, boot_at = 1, line_at = 7, payload_at = 16, payload_size = 44 };

uint32_t lines_sent;

static char line[payload_at];
static char letters[alphabet + payload_size];
static unsigned phase;

void numbered_start(uint32_t boot) {
  for (unsigned i = 0; i < sizeof letters; i++) letters[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[i % alphabet];
  for (unsigned i = 0; i < payload_at; i++) line[i] = "B0000 L00000000 "[i];
  phase = boot % 10000 * 7 % alphabet;
  for (unsigned i = 4; i-- > 0; boot /= 10) line[boot_at + i] = (char)('0' + boot % 10);
}

void numbered_next(void) {
  for (unsigned i = 8; i-- > 0;) { /* adds one to the eight digits */
    if (++line[line_at + i] <= '9') break;
    line[line_at + i] = '0';
  }
  if (++phase == alphabet) phase = 0;
  put_bytes(line, payload_at);
  put_bytes(letters + phase, payload_size);
  put('\n');
  lines_sent++;
}
