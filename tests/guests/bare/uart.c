/* SPDX-License-Identifier: Apache-2.0
 * COM1 without its FIFOs: one byte, one look at the line status, the same on every monitor. */
#include "uart.h"

enum { com1 = 0x3f8, data = com1, interrupts = com1 + 1, fifo = com1 + 2, format = com1 + 3, modem = com1 + 4, status = com1 + 5 };
enum { has_input = 0x01, holding_free = 0x20, all_sent = 0x40 };

bool uart_lossy;

void uart_start(void) {
  outb(format, 3); /* 8n1 */
  outb(fifo, 0);
  outb(modem, 0x0b);
  outb(interrupts, 1); /* input ends an idle guest's hlt */
}

void put(char c) { put_bytes(&c, 1); }

/* In few instructions: some KVMs emulate each of them, at a microsecond apiece. */
void put_bytes(const char* bytes, size_t count) {
  if (uart_lossy) {
    for (size_t i = 0; i < count; i++) outb(data, (uint8_t)bytes[i]);
    return;
  }
  if (!count) return;
  __asm__ volatile(
      "0: inb %%dx, %%al\n"
      "   testb %[free], %%al\n"
      "   jz 0b\n"
      "   movb %[data], %%dl\n"
      "   outsb\n"
      "   movb %[status], %%dl\n"
      "   loop 0b"
      : "+S"(bytes), "+c"(count)
      : "d"(status), [free] "i"(holding_free), [data] "i"(data & 0xff), [status] "i"(status & 0xff)
      : "al", "cc", "memory");
}

void put_text(const char* text) {
  size_t length = 0;
  while (text[length]) length++;
  put_bytes(text, length);
}

void put_decimal(uint32_t number, unsigned digits) {
  char text[10];
  unsigned i = 10;
  do {
    text[--i] = (char)('0' + number % 10);
    number /= 10;
  } while (number || (i > 0 && 10 - i < digits));
  put_bytes(text + i, 10 - i);
}

void put_hex(uint64_t number, unsigned digits) {
  while (digits-- > 0) put("0123456789abcdef"[(number >> (4 * digits)) & 15]);
}

void uart_drain(void) {
  while (!(inb(status) & all_sent)) {
  }
}

bool uart_has_input(void) { return inb(status) & has_input; }

char uart_get(void) {
  while (!uart_has_input()) {
  }
  return (char)inb(data);
}
