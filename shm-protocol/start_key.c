/* SPDX-License-Identifier: MIT */
/* What a program starts with before the daemon has seen its process: for the library and for the daemon. */
#include "sha256.h"

#include <string.h>

#define KEY_PREFIX "hakmem start 1:"

enum { PREFIX_CHARS = sizeof(KEY_PREFIX) - 1, UID_BYTES = 4 };

void hak_start_key(uint32_t uid, const char *program, struct hak_key *ret_key)
{
	char text[PREFIX_CHARS + UID_BYTES + HAK_START_PROGRAM_CHARS];
	size_t length = strnlen(program, HAK_START_PROGRAM_CHARS);

	memcpy(text, KEY_PREFIX, PREFIX_CHARS);
	for (unsigned i = 0; i < UID_BYTES; i++)
		text[PREFIX_CHARS + i] = (char)(uid >> 8 * i);
	memcpy(text + PREFIX_CHARS + UID_BYTES, program, length);
	*ret_key = hak_key_hash(text, PREFIX_CHARS + UID_BYTES + length);
}
