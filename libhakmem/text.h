/* SPDX-License-Identifier: MIT */
/* A line of text built in a caller's buffer, where stdio may not be used: it would allocate. */
#ifndef HAK_TEXT_H
#define HAK_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct hak_text {
	char *start;
	size_t size_bytes; /* of the buffer; one byte is kept for the NUL */
	size_t used_bytes;
};

static inline void hak_text_init(struct hak_text *text, char *buffer, size_t size_bytes)
{
	text->start = buffer;
	text->size_bytes = size_bytes;
	text->used_bytes = 0;
	buffer[0] = '\0';
}

/* Each appends what fits and drops the rest. */
void hak_text_add(struct hak_text *text, const char *string);
void hak_text_add_unsigned(struct hak_text *text, uint64_t value, unsigned base);

/*
 * To stderr; what cannot be written is lost. May change errno. Not a cancellation point, as write() would
 * be: the thread may hold locks, and no call of malloc's family is one.
 */
void hak_text_say(const struct hak_text *text);

#endif
