/* SPDX-License-Identifier: MIT */
/* See json_out.h. */
#include "json_out.h"

#include <inttypes.h>
#include <string.h>

#include "strange_text.h"

/* What stands before a value: comma, quotes, colon, and a key of at most so many letters. */
enum { KEY_CHARS = 64 };

/* A document about many processes is mostly keys: they are words of ours, so nothing in them is escaped, and
 * each goes in one piece. */
static void begin_value(struct hak_json *json, const char *key)
{
	char text[KEY_CHARS + 4];
	size_t length = key ? strnlen(key, KEY_CHARS) : 0, at = 0;

	if (json->wants_comma)
		text[at++] = ',';
	json->wants_comma = true;
	if (key) {
		text[at++] = '"';
		memcpy(text + at, key, length);
		at += length;
		text[at++] = '"';
		text[at++] = ':';
	}
	fwrite_unlocked(text, 1, at, json->file);
}

void hak_json_begin(struct hak_json *json, const char *key, char bracket)
{
	begin_value(json, key);
	putc_unlocked(bracket, json->file);
	json->wants_comma = false;
}

void hak_json_begin_strange(struct hak_json *json, const char *key)
{
	begin_value(json, NULL);
	hak_json_put_string(json->file, key);
	fputs(":{", json->file);
	json->wants_comma = false;
}

void hak_json_end(struct hak_json *json, char bracket)
{
	putc_unlocked(bracket, json->file);
	json->wants_comma = true;
}

void hak_json_string(struct hak_json *json, const char *key, const char *value)
{
	if (!value) {
		hak_json_null(json, key);
		return;
	}
	begin_value(json, key);
	hak_json_put_string(json->file, value);
}

/* fprintf() took a third of the time of a document about many processes. */
void hak_json_u64(struct hak_json *json, const char *key, uint64_t value)
{
	enum { DIGITS = 20 };
	char text[DIGITS], *at = text + DIGITS;

	begin_value(json, key);
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	fwrite_unlocked(at, 1, (size_t)(text + DIGITS - at), json->file);
}

void hak_json_u64_if(struct hak_json *json, const char *key, bool known, uint64_t value)
{
	if (known)
		hak_json_u64(json, key, value);
	else
		hak_json_null(json, key);
}

void hak_json_bool(struct hak_json *json, const char *key, bool value)
{
	begin_value(json, key);
	fputs(value ? "true" : "false", json->file);
}

void hak_json_null(struct hak_json *json, const char *key)
{
	begin_value(json, key);
	fputs("null", json->file);
}

void hak_json_hex(struct hak_json *json, const char *key, uint64_t value)
{
	begin_value(json, key);
	fprintf(json->file, "\"0x%016" PRIx64 "\"", value);
}

void hak_json_milli(struct hak_json *json, const char *key, int64_t milli)
{
	uint64_t size = milli < 0 ? -(uint64_t)milli : (uint64_t)milli;

	begin_value(json, key);
	fprintf(json->file, "%s%" PRIu64 ".%03" PRIu64, milli < 0 ? "-" : "", size / 1000, size % 1000);
}
