/* SPDX-License-Identifier: Apache-2.0
 * Each monitor has its own ways out; ACPI's tables tell most of them, and what they do not tell stands here. */
#include "platform.h"

#include "acpi.h"
#include "idle.h"
#include "uart.h"

enum { keyboard_data = 0x60, keyboard = 0x64, keyboard_has_data = 1, keyboard_reset = 0xfe, reset_control = 0xcf9 };
enum { power_button = 1 << 8 /* of PM1 status and enable */, delete_set1 = 0x53, delete_set2 = 0x71 };
enum { sleep_now = 1 << 5, sleep_five = 5 << 2 /* hardware-reduced: _S5 of Cloud Hypervisor and microvm */, pm1_sleep_now = 1 << 13 };

static enum { unknown, qemu, cloud_hypervisor, firecracker } monitor;
static struct acpi acpi;

static bool maker_is(const char* name) {
  for (unsigned i = 0; i < 6; i++)
    if (acpi.maker[i] != name[i]) return false;
  return true;
}

void platform_start(const struct start_info* info) {
  acpi_find(&acpi, (uint32_t)info->rsdp);
  outw(0x510, 0); /* fw_cfg's signature */
  if (inb(0x511) == 'Q' && inb(0x511) == 'E') monitor = qemu;
  else if (maker_is("CLOUDH")) monitor = cloud_hypervisor;
  else if (maker_is("FIRECK")) monitor = firecracker;
  idle_start();
  if (acpi.reduced && monitor != firecracker) idle_watch_events();
  if (acpi.pm1_event) outw(acpi.pm1_event + 2, power_button); /* enabled: else QEMU does not show it in the status */
}

const char* platform_name(void) { return (const char*[]){"unknown", "qemu", "cloud-hypervisor", "firecracker"}[monitor]; }

bool platform_button_known(void) { return acpi.pm1_event || acpi.reduced; }

bool platform_button_pressed(void) {
  if (acpi.pm1_event) return inw(acpi.pm1_event) & power_button;
  if (monitor == firecracker) /* its button is Ctrl-Alt-Del on a keyboard */
    while (inb(keyboard) & keyboard_has_data) {
      const uint8_t code = inb(keyboard_data);
      if (code == delete_set1 || code == delete_set2) return true;
    }
  return acpi.reduced && monitor != firecracker && idle_event_seen();
}

/* A monitor resets a little after it was told to: the vCPU runs on for some milliseconds. */
static void give_it_time(void) {
  for (const uint64_t begin = ticks(); ticks() - begin < 2000000000;) __asm__ volatile("pause");
}

static void write_register(struct acpi_register where, uint8_t value) {
  if (where.space == 1 && where.address) outb((uint16_t)where.address, value);
  else if (where.space == 0 && where.address && !(where.address >> 32)) write8((uint32_t)where.address, value);
  else return;
  give_it_time();
}

void platform_reset(void) {
  uart_drain();
  write_register(acpi.reset, acpi.reset_value);
  outb(keyboard, keyboard_reset);
  give_it_time();
  outb(reset_control, 6);
  give_it_time();
  platform_triple_fault();
}

void platform_triple_fault(void) {
  const struct {
    uint16_t limit;
    uint32_t base;
  } __attribute__((packed)) nothing = {0, 0};
  uart_drain();
  /* A selector beyond the table faults, and no fault finds a handler. (int3 would do, but some KVMs cannot emulate it here.) */
  __asm__ volatile("lidt %0; mov %1, %%ds" : : "m"(nothing), "r"(0xfff8));
  halt();
}

void platform_power_off(void) {
  uart_drain();
  write_register(acpi.sleep, sleep_five | sleep_now);
  if (acpi.pm1_control) { /* QEMU: _S5 is type 0 */
    outw(acpi.pm1_control, pm1_sleep_now);
    give_it_time();
  }
  if (monitor == firecracker) outb(keyboard, keyboard_reset); /* it has no power-off: a reset ends its process */
  halt();
}
