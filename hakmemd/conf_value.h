/* SPDX-License-Identifier: MIT */
/* Values as configuration files have them. Pure; each Return: 0, -EINVAL (nothing set). */
#ifndef HAK_CONF_VALUE_H
#define HAK_CONF_VALUE_H

#include <stdbool.h>
#include <stdint.h>

/* yes, true, on, 1; no, false, off, 0 */
int hak_conf_bool(const char *text, bool *ret_value);
/* Digits alone. */
int hak_conf_number(const char *text, uint64_t *ret_value);
/* Bytes: 4096, 64K, 512M, 4G, 1T (times 1024 each). */
int hak_conf_size(const char *text, uint64_t *ret_bytes);
/* Time: 500ms, 2s, 5min; digits alone are seconds. */
int hak_conf_time(const char *text, uint64_t *ret_usec);
/* 10% or 10, up to 100. */
int hak_conf_percent(const char *text, uint64_t *ret_percent);

#endif
