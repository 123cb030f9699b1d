/* SPDX-License-Identifier: Apache-2.0
 * What the guest wants from ACPI: the registers that reset, power off and tell of the power button. */
#pragma once
#include <stdbool.h>

#include "machine.h"

struct acpi_register { /* ACPI's generic address structure, less what nobody here varies */
  uint8_t space;       /* 0 memory, 1 ports */
  uint64_t address;    /* 0: there is none */
};

struct acpi {
  char maker[7]; /* the RSDP's OEM id: "BOCHS ", "CLOUDH", "FIRECK" */
  struct acpi_register reset, sleep;
  uint8_t reset_value;
  uint16_t pm1_event, pm1_control; /* ports, 0 on hardware-reduced platforms */
  bool reduced;                    /* no PM1: a generic event device tells of the power button */
};

void acpi_find(struct acpi* found, uint32_t rsdp);
