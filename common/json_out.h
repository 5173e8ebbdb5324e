/* SPDX-License-Identifier: MIT */
/*
 * JSON written as it comes, into a stream: a dump of 10,000 processes needs no tree in memory. Commas are its
 * own business; that each begin has its end is the caller's. Strings may hold any bytes: what is not UTF-8
 * becomes U+FFFD, so that the result is always JSON.
 */
#ifndef HAK_JSON_OUT_H
#define HAK_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct hak_json {
	FILE *file;
	bool wants_comma;
};

/* @key: NULL inside an array and for the outermost value; else a word of ours, of at most 64 letters, none of
 * which needs escaping. */
void hak_json_begin(struct hak_json *json, const char *key, char bracket);       /* '{' or '[' */
void hak_json_begin_strange(struct hak_json *json, const char *key);             /* '{'; a key of any kind */
void hak_json_end(struct hak_json *json, char bracket);                          /* '}' or ']' */
void hak_json_string(struct hak_json *json, const char *key, const char *value); /* NULL: null */
void hak_json_u64(struct hak_json *json, const char *key, uint64_t value);
/* Where not @known null. */
void hak_json_u64_if(struct hak_json *json, const char *key, bool known, uint64_t value);
void hak_json_bool(struct hak_json *json, const char *key, bool value);
void hak_json_null(struct hak_json *json, const char *key);
/* "0x" and 16 hexadecimal digits: for what is no quantity. */
void hak_json_hex(struct hak_json *json, const char *key, uint64_t value);
/* @milli / 1000, with three places. */
void hak_json_milli(struct hak_json *json, const char *key, int64_t milli);

#endif
