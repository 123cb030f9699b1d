/* SPDX-License-Identifier: Apache-2.0
 * The monitor beneath: which one it is, how it resets and powers off, and whether its power button was pressed. */
#pragma once
#include <stdbool.h>

#include "cmdline.h"

void platform_start(const struct start_info* info);
const char* platform_name(void);
bool platform_button_known(void);
bool platform_button_pressed(void);
_Noreturn void platform_reset(void);
_Noreturn void platform_triple_fault(void);
_Noreturn void platform_power_off(void);
