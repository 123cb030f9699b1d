/* SPDX-License-Identifier: Apache-2.0
 * Ports, registers and bare memory. */
#pragma once
#include <stddef.h>
#include <stdint.h>

static inline void outb(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void outw(uint16_t port, uint16_t value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
static inline uint8_t inb(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline uint16_t inw(uint16_t port) {
  uint16_t value;
  __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline uint64_t ticks(void) {
  uint64_t value;
  __asm__ volatile("rdtsc" : "=A"(value));
  return value;
}
static inline void cpuid(uint32_t leaf, uint32_t out[4]) {
  __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(0));
}

/* Memory at a physical address, whatever lies there. (The empty asm hides from the compiler that it is a number.) */
static inline volatile void* at(uint32_t address) {
  __asm__("" : "+r"(address));
  return (volatile void*)address;
}
static inline uint8_t read8(uint32_t address) { return *(volatile uint8_t*)at(address); }
static inline uint32_t read32(uint32_t address) { return *(volatile uint32_t*)at(address); }
static inline void write8(uint32_t address, uint8_t value) { *(volatile uint8_t*)at(address) = value; }
static inline void write32(uint32_t address, uint32_t value) { *(volatile uint32_t*)at(address) = value; }

_Noreturn void halt(void);
