/* SPDX-License-Identifier: Apache-2.0
 * The count lies outside every segment of the ELF file, where a reset of QEMU leaves memory alone. Cloud Hypervisor and Firecracker
 * give each boot new memory. */
#include "boots.h"

enum { counter = 0x300000, magic = 0x766d6c62 };

uint32_t boots_count(void) {
  const uint32_t number = read32(counter) == magic && read32(counter + 4) == ~read32(counter + 8) ? read32(counter + 4) + 1 : 1;
  write32(counter, magic);
  write32(counter + 4, number);
  write32(counter + 8, ~number);
  return number;
}

/* KVM tells the wall clock at which this VM came to be, to the nanosecond; without KVM the count alone must do. */
uint64_t boots_identity(void) {
  static volatile uint32_t __attribute__((aligned(16))) wall[3]; /* version, seconds, nanoseconds */
  uint32_t regs[4];
  cpuid(0x40000000, regs);
  if (regs[1] == 0x4b4d564b && regs[0] >= 0x40000001) { /* "KVMK" */
    cpuid(0x40000001, regs);
    if (regs[0] & 8) __asm__ volatile("wrmsr" : : "c"(0x4b564d00), "a"(&wall), "d"(0) : "memory");
  }
  return wall[1] * 1000000000ull + wall[2] + ticks();
}
