/* SPDX-License-Identifier: Apache-2.0
 * COM1. Output waits until the transmitter is free, so that a reader who stalls holds the guest up and loses nothing; with lossy
 * set it does not look, and loses what the monitor cannot take. */
#pragma once
#include <stdbool.h>

#include "machine.h"

extern bool uart_lossy;

void uart_start(void);
void put(char c);
void put_bytes(const char* bytes, size_t count);
void put_text(const char* text);
void put_decimal(uint32_t number, unsigned digits); /* with leading zeros up to `digits` */
void put_hex(uint64_t number, unsigned digits);
void uart_drain(void); /* returns when the last byte has left: a reset would take it along */
bool uart_has_input(void);
char uart_get(void);
