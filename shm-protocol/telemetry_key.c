/* SPDX-License-Identifier: MIT */
/* From the name of a telemetry file to the key of its process: for the library and for the daemon. */
#include "telemetry.h"

#include "sha256.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define KEY_PREFIX "hakmem telemetry 1:"

enum { PREFIX_CHARS = sizeof(KEY_PREFIX) - 1 };

static bool name_is_valid(const char *name)
{
	for (unsigned i = 0; i < HAK_TELEMETRY_NAME_CHARS; i++)
		if (!(name[i] >= '0' && name[i] <= '9') && !(name[i] >= 'a' && name[i] <= 'f'))
			return false;
	return name[HAK_TELEMETRY_NAME_CHARS] == '\0';
}

int hak_telemetry_key(const char *name, struct hak_key *ret_key)
{
	char text[PREFIX_CHARS + HAK_TELEMETRY_NAME_CHARS];

	if (!name_is_valid(name))
		return -EINVAL;
	memcpy(text, KEY_PREFIX, PREFIX_CHARS);
	memcpy(text + PREFIX_CHARS, name, HAK_TELEMETRY_NAME_CHARS);
	*ret_key = hak_key_hash(text, sizeof(text));
	return 0;
}
