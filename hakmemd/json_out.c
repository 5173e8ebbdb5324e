/* SPDX-License-Identifier: MIT */
/* See json_out.h. */
#include "json_out.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

/* What stands before a value: comma, quotes, colon, and a key of at most so many letters. */
enum { KEY_CHARS = 64 };

/* Length of the UTF-8 sequence at @text; 0 where there is none. Overlong forms and surrogates are none, nor
 * are control characters of two bytes (U+0080 to U+009F): some terminals obey them. */
static size_t utf8_length(const unsigned char *text)
{
	unsigned char lead = text[0];
	size_t length = lead < 0x80                   ? 1
			: lead >= 0xc2 && lead < 0xe0 ? 2
			: lead >= 0xe0 && lead < 0xf0 ? 3
			: lead >= 0xf0 && lead < 0xf5 ? 4
						      : 0;

	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((lead == 0xc2 && text[1] < 0xa0) || (lead == 0xe0 && text[1] < 0xa0) ||
	    (lead == 0xed && text[1] >= 0xa0) || (lead == 0xf0 && text[1] < 0x90) ||
	    (lead == 0xf4 && text[1] >= 0x90))
		return 0;
	return length;
}

/* Bytes at @text that stand for themselves; most strings are nothing else. */
static size_t plain_length(const unsigned char *text)
{
	size_t length = 0;

	while (text[length] >= 0x20 && text[length] < 0x7f && text[length] != '"' && text[length] != '\\')
		length++;
	return length;
}

static void put_string(FILE *file, const char *value)
{
	const unsigned char *at = (const unsigned char *)value;

	putc_unlocked('"', file);
	for (;;) {
		size_t length = plain_length(at);

		if (length == 0 && *at >= 0x80)
			length = utf8_length(at);
		if (length) {
			fwrite_unlocked(at, 1, length, file);
			at += length;
		} else if (*at == '\0') {
			break;
		} else if (*at >= 0x80) {
			fputs("\\ufffd", file);
			at++;
		} else if (*at == '"' || *at == '\\') {
			fprintf(file, "\\%c", *at++);
		} else {
			fprintf(file, "\\u%04x", *at++);
		}
	}
	putc_unlocked('"', file);
}

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
	put_string(json->file, value);
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
