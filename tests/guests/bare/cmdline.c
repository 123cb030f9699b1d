/* SPDX-License-Identifier: Apache-2.0
 * Words are separated by blanks; those that are not ours (console=ttyS0, quiet for Linux) are left alone. */
#include "cmdline.h"

char cmdline[1024];

void cmdline_take(const struct start_info* info) {
  const uint32_t from = (uint32_t)info->cmdline;
  size_t length = 0;
  for (; from && length + 1 < sizeof cmdline; length++) {
    const char c = (char)read8(from + length);
    if (!c) break;
    cmdline[length] = c < ' ' ? ' ' : c;
  }
  while (length && cmdline[length - 1] == ' ') length--;
  cmdline[length] = 0;
}

/* What follows `word` where it stands at the beginning of one of the words, or null. */
static const char* after(const char* word) {
  for (const char* p = cmdline; *p; p++) {
    if (p != cmdline && p[-1] != ' ') continue;
    size_t i = 0;
    while (word[i] && p[i] == word[i]) i++;
    if (!word[i]) return p + i;
  }
  return NULL;
}

bool cmdline_has(const char* word) {
  const char* rest = after(word);
  return rest && (*rest == ' ' || *rest == 0);
}

uint32_t cmdline_number(const char* key) {
  const char* rest = after(key);
  uint32_t number = 0;
  if (rest && *rest == '=')
    while (*++rest >= '0' && *rest <= '9') number = number * 10 + (uint32_t)(*rest - '0');
  return number;
}
