/* SPDX-License-Identifier: Apache-2.0
 * hlt, ended by COM1's interrupt over the I/O APIC (Cloud Hypervisor has no PIC) or by the local APIC's timer. */
#include "idle.h"

#include "uart.h"

enum { io_apic = 0xfec00000u, local_apic = 0xfee00000u };
enum { id = 0x20, requested = 0x200, end_of_interrupt = 0xb0, spurious = 0xf0, timer = 0x320, timer_count = 0x380, timer_divide = 0x3e0 };
enum { wake_vector = 0x30, event_vector = 0x31, spurious_vector = 0x3f, vectors = 0x40 };
enum { com1_pin = 4, pins = 24, timer_ticks = 20 * 1000 * 1000 /* of 1 ns on KVM and QEMU */ };

void wake_entry(void);
void event_entry(void);

struct gate {
  uint16_t low, selector, type, high;
};
static struct gate gates[vectors];
static volatile bool event_seen;
struct table {
  uint16_t limit;
  uint32_t base;
} __attribute__((packed));

static struct gate gate(void (*handler)(void)) {
  return (struct gate){(uint16_t)(uint32_t)handler, 8, 0x8e00, (uint16_t)((uint32_t)handler >> 16)};
}

static void route(unsigned pin, unsigned vector) {
  write32(io_apic, 0x10 + 2 * pin + 1);
  write32(io_apic + 0x10, read32(local_apic + id));
  write32(io_apic, 0x10 + 2 * pin);
  write32(io_apic + 0x10, vector);
}

void idle_start(void) {
  gates[wake_vector] = gates[spurious_vector] = gate(wake_entry);
  gates[event_vector] = gate(event_entry);
  const struct table table = {sizeof gates - 1, (uint32_t)gates};
  __asm__ volatile("lidt %0" : : "m"(table));
  outb(0x21, 0xff); /* the PICs, where there are any, stay silent */
  outb(0xa1, 0xff);
  write32(local_apic + spurious, 0x100 | spurious_vector);
  write32(local_apic + timer_divide, 0xb);
  write32(local_apic + timer, wake_vector);
  route(com1_pin, wake_vector);
}

void idle_watch_events(void) {
  for (unsigned pin = com1_pin + 1; pin < pins; pin++) route(pin, event_vector);
}

bool idle_event_seen(void) { /* while the guest is busy, interrupts stay off and requested */
  return event_seen || read32(local_apic + requested + 0x10 * (event_vector / 32)) & 1u << event_vector % 32;
}

void idle_wait(void) {
  write32(local_apic + timer_count, timer_ticks);
  if (!uart_has_input()) __asm__ volatile("sti; hlt; cli" : : : "memory"); /* what comes in between is delivered after hlt began */
}

void wake(void) { write32(local_apic + end_of_interrupt, 0); }

void event(void) {
  event_seen = true;
  wake();
}

void halt(void) {
  for (;;) __asm__ volatile("cli; hlt");
}
