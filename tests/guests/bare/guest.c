/* SPDX-License-Identifier: Apache-2.0
 * The bare-metal test guest: numbers its boots and lines, and obeys one-byte commands on COM1 (../README.md has the table). */
#include "boots.h"
#include "cmdline.h"
#include "idle.h"
#include "numbered.h"
#include "platform.h"
#include "uart.h"

enum { batch = 100, lines_between_button_looks = 64 };

static uint32_t boot;
static uint32_t to_send;      /* numbered lines still to send, while there is no flood */
static bool flooding;
static bool reboot_when_sent; /* `reboot=N` */
static bool ready_when_sent;

static void say(const char* word) {
  put_text(word);
  put_text(" lines=");
  put_decimal(lines_sent, 1);
  put_text("\r\n");
}

static void say_boot(void) {
  put_text("BOOT ");
  put_decimal(boot, 1);
  put_text(" ");
  put_text(cmdline);
  put_text(cmdline[0] ? " id=" : "id=");
  put_hex(boots_identity(), 16);
  put_text("\r\n");
}

static void say_status(void) {
  put_text("STATUS boot=");
  put_decimal(boot, 1);
  put_text(" monitor=");
  put_text(platform_name());
  put_text(" button=");
  put_text(platform_button_known() ? "yes" : "no");
  put_text(" flood=");
  put_text(flooding ? "on" : "off");
  say("");
}

static void echo(void) {
  put_text("ECHO ");
  for (char c; (c = uart_get()) != '\r' && c != '\n';) put(c);
  put_text("\r\n");
}

/* What a terminal answers when it sees it: device attributes, status, cursor position, background colour. */
static void ask_terminal(void) { put_text("QUERIES \x1b[c\x1b[>c\x1b[5n\x1b[6n\x1b]11;?\a\x1b]11;?\x1b\\\r\n"); }

static void all_bytes(void) {
  put_text("BYTES ");
  for (unsigned i = 0; i < 256; i++) put((char)i);
  put_text("\r\n");
}

static void panic(void) {
  put_text("[    1.234567] Kernel panic - not syncing: told to by a command\r\n");
  put_text("[    1.234567] ---[ end Kernel panic - not syncing: told to by a command ]---\r\n");
  uart_drain();
  halt();
}

static void reboot(void) {
  const uint32_t last = cmdline_number("boots");
  if (reboot_when_sent && last && boot >= last) {
    say("OFF");
    platform_power_off();
  }
  say("REBOOT");
  platform_reset();
}

static void obey(char command) {
  switch (command) {
    case 'r':
      reboot_when_sent = false;
      reboot();
      break;
    case 'R':
      say("REBOOT");
      platform_triple_fault();
    case 'p':
      say("OFF");
      platform_power_off();
    case 'f':
      flooding = true;
      break;
    case 's':
      flooding = reboot_when_sent = ready_when_sent = false;
      to_send = 0;
      say("STOPPED");
      break;
    case 'n':
      to_send += batch;
      break;
    case 'P':
      panic();
      break;
    case 'e':
      echo();
      break;
    case '?':
      say_status();
      break;
    case 'x':
      ask_terminal();
      break;
    case 'g':
      all_bytes();
      break;
    default: /* line ends, and what a terminal may answer to a query */
      break;
  }
}

static void look_for_button(void) {
  if (!platform_button_pressed()) return;
  put_text("BUTTON\r\n");
  say("OFF");
  platform_power_off();
}

static void sent(void) {
  if (reboot_when_sent) reboot();
  if (ready_when_sent) put_text("READY\r\n");
  ready_when_sent = false;
}

void guest(const struct start_info* info) {
  uart_start();
  cmdline_take(info);
  uart_lossy = cmdline_has("lossy");
  platform_start(info);
  boot = boots_count();
  numbered_start(boot);
  say_boot();

  flooding = cmdline_has("flood");
  reboot_when_sent = cmdline_number("reboot") > 0;
  ready_when_sent = !cmdline_has("quiet") && !flooding;
  to_send = reboot_when_sent ? cmdline_number("reboot") : cmdline_number("lines");
  if (!to_send) sent();

  for (;;) {
    if (uart_has_input()) {
      obey(uart_get());
    } else if (flooding || to_send) {
      numbered_next();
      if (!flooding && --to_send == 0) sent();
      if (lines_sent % lines_between_button_looks == 0) look_for_button();
    } else {
      look_for_button();
      idle_wait();
    }
  }
}
