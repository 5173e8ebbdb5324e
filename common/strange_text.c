/* SPDX-License-Identifier: MIT */
/* See strange_text.h. */
#include "strange_text.h"

#include <stddef.h>

void hak_make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

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

void hak_json_put_string(FILE *file, const char *value)
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
