/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <sys/syscall.h>
#include <unistd.h>

static void add_char(struct hak_text *text, char c)
{
	if (text->used_bytes + 1 >= text->size_bytes)
		return;
	text->start[text->used_bytes++] = c;
	text->start[text->used_bytes] = '\0';
}

void hak_text_add(struct hak_text *text, const char *string)
{
	for (; *string; string++)
		add_char(text, *string);
}

void hak_text_add_unsigned(struct hak_text *text, uint64_t value, unsigned base)
{
	char digits[64];
	unsigned n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n)
		add_char(text, digits[--n]);
}

void hak_text_say(const struct hak_text *text)
{
	(void)syscall(SYS_write, STDERR_FILENO, text->start, text->used_bytes);
}
