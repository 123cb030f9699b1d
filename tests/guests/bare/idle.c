/* SPDX-License-Identifier: Apache-2.0
 * hlt, ended by COM1's interrupt over the I/O APIC (Cloud Hypervisor has no PIC) or by the local APIC's timer. */
#include "idle.h"

#include "uart.h"

enum { io_apic = 0xfec00000u, local_apic = 0xfee00000u };
enum { id = 0x20, end_of_interrupt = 0xb0, spurious = 0xf0, timer = 0x320, timer_count = 0x380, timer_divide = 0x3e0 };
enum { wake_vector = 0x40, spurious_vector = 0xff, com1_pin = 4, timer_ticks = 20 * 1000 * 1000 /* of 1 ns on KVM and QEMU */ };

void wake_entry(void);
void fault_entry(void);

struct gate {
  uint16_t low, selector, type, high;
};
static struct gate gates[256];
struct table {
  uint16_t limit;
  uint32_t base;
} __attribute__((packed));

void idle_start(void) {
  for (unsigned i = 0; i < 256; i++) {
    const uint32_t entry = (uint32_t)(i < 32 ? fault_entry : wake_entry);
    gates[i] = (struct gate){(uint16_t)entry, 8, 0x8e00, (uint16_t)(entry >> 16)};
  }
  const struct table table = {sizeof gates - 1, (uint32_t)gates};
  __asm__ volatile("lidt %0" : : "m"(table));
  outb(0x21, 0xff); /* the PICs, where there are any, stay silent */
  outb(0xa1, 0xff);
  write32(local_apic + spurious, 0x100 | spurious_vector);
  write32(local_apic + timer_divide, 0xb);
  write32(local_apic + timer, wake_vector);
  write32(io_apic, 0x10 + 2 * com1_pin + 1);
  write32(io_apic + 0x10, read32(local_apic + id));
  write32(io_apic, 0x10 + 2 * com1_pin);
  write32(io_apic + 0x10, wake_vector);
}

void idle_wait(void) {
  write32(local_apic + timer_count, timer_ticks);
  if (!uart_has_input()) __asm__ volatile("sti; hlt; cli" : : : "memory"); /* what comes in between is delivered after hlt began */
}

void wake(void) { write32(local_apic + end_of_interrupt, 0); }

void fault(void) {
  put_text("FAULT\r\n");
  halt();
}

void halt(void) {
  for (;;) __asm__ volatile("cli; hlt");
}
