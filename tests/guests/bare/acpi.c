/* SPDX-License-Identifier: Apache-2.0
 * RSDP → RSDT or XSDT → FADT. The DSDT's programs are not run. */
#include "acpi.h"

static uint64_t read64(uint32_t address) { return read32(address) | (uint64_t)read32(address + 4) << 32; }

static bool is(uint32_t address, const char* text) {
  for (; *text; text++)
    if ((char)read8(address++) != *text) return false;
  return true;
}

static struct acpi_register generic(uint32_t address) { return (struct acpi_register){read8(address), read64(address + 4)}; }

static void fadt_take(struct acpi* found, uint32_t fadt) {
  const uint32_t length = read32(fadt + 4), flags = read32(fadt + 112);
  found->reduced = flags & 1 << 20;
  if (flags & 1 << 10 && length >= 129) {
    found->reset = generic(fadt + 116);
    found->reset_value = read8(fadt + 128);
  }
  if (!found->reduced) {
    found->pm1_event = (uint16_t)read32(fadt + 56);
    found->pm1_control = (uint16_t)read32(fadt + 64);
  } else if (length >= 256) {
    found->sleep = generic(fadt + 244);
  }
}

void acpi_find(struct acpi* found, uint32_t rsdp) {
  for (uint32_t p = 0xe0000; !rsdp && p < 0x100000; p += 16)
    if (is(p, "RSD PTR ")) rsdp = p;
  if (!rsdp || !is(rsdp, "RSD PTR ")) return;
  for (unsigned i = 0; i < 6; i++) found->maker[i] = (char)read8(rsdp + 9 + i);
  const bool wide = read8(rsdp + 15) >= 2 && read32(rsdp + 24);
  const uint32_t root = read32(rsdp + (wide ? 24 : 16)), step = wide ? 8 : 4;
  if (!root) return;
  const uint32_t end = root + read32(root + 4);
  for (uint32_t p = root + 36; p + step <= end; p += step)
    if (is(read32(p), "FACP")) fadt_take(found, read32(p));
}
