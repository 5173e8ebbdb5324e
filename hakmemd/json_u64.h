/* SPDX-License-Identifier: MIT */
/* 64-bit integers in the state directory's files: decimal strings, as cJSON's doubles would round large ones.
 */
#ifndef HAK_JSON_U64_H
#define HAK_JSON_U64_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

/* Return: false: no memory; the member is absent then. */
bool hak_json_add_u64(cJSON *object, const char *name, uint64_t value);
/* Return: 0; -EBADMSG: absent, or no such number. */
int hak_json_parse_u64(const cJSON *object, const char *name, uint64_t *ret_value);

#endif
