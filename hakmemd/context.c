/* SPDX-License-Identifier: MIT */
/* See context.h. Pure functions of strings. */
#include "context.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sha256.h"

#define VERSION_WORD "hakmem-context-1"

enum { ID_HEX_CHARS = 12 }; /* a run of hexadecimal digits this long is an id, not a word */

static bool has_suffix(const char *text, size_t length, const char *suffix)
{
	size_t suffix_chars = strlen(suffix);

	return length > suffix_chars && memcmp(text + length - suffix_chars, suffix, suffix_chars) == 0;
}

/* Only services and scopes hold processes of their own. */
static bool is_unit(const char *part, size_t length)
{
	return has_suffix(part, length, ".service") || has_suffix(part, length, ".scope");
}

static bool is_user_manager(const char *part, size_t length)
{
	return length > 5 && memcmp(part, "user@", 5) == 0 && has_suffix(part, length, ".service");
}

void hak_context_place_of_cgroup(const char *cgroup_path, struct hak_context_place *ret_place)
{
	const char *part = cgroup_path;

	snprintf(ret_place->scope, sizeof(ret_place->scope), "system");
	ret_place->unit[0] = '\0';
	while (*part) {
		size_t length = strcspn(part, "/");

		if (is_user_manager(part, length) && strcmp(ret_place->scope, "system") == 0) {
			/* Below this the units are the user manager's; its own processes keep its name. */
			snprintf(ret_place->scope, sizeof(ret_place->scope), "user:%.*s",
				 (int)(length - 5 - 8 < 20 ? length - 5 - 8 : 20), part + 5);
			ret_place->unit[0] = '\0';
		} else if (is_unit(part, length) && length <= HAK_CONTEXT_UNIT_CHARS) {
			/* The innermost wins: a container's scope below a service says more. */
			memcpy(ret_place->unit, part, length);
			ret_place->unit[length] = '\0';
		}
		part += length;
		part += *part == '/';
	}
}

static bool all_of(const char *from, const char *to, int (*is_kind)(int))
{
	for (const char *at = from; at < to; at++) {
		if (!is_kind((unsigned char)*at))
			return false;
	}
	return from < to;
}

/* A random id: of a container, or of systemd-run with its letter before it. */
static bool is_long_hex(const char *from, const char *to)
{
	if (to - from > ID_HEX_CHARS && *from == 'r' && all_of(from + 1, to, isxdigit))
		return true;
	return to - from >= ID_HEX_CHARS && all_of(from, to, isxdigit);
}

/* What only counts: 12, and one letter before a number (session-c3, run-u7, run-p12-i34). */
static bool is_number(const char *from, const char *to)
{
	return all_of(from, to, isdigit) ||
	       (to - from > 1 && islower((unsigned char)*from) && all_of(from + 1, to, isdigit));
}

void hak_context_normalise_unit(const char *unit, char ret_unit[HAK_CONTEXT_UNIT_CHARS + 1])
{
	const char *suffix = strrchr(unit, '.') ? strrchr(unit, '.') : unit + strlen(unit);
	const char *instance = memchr(unit, '@', (size_t)(suffix - unit));
	/* A service's number is its name (redis-6379.service); a scope's is not (session-3.scope). */
	bool transient = strcmp(suffix, ".scope") == 0 || strncmp(unit, "run-", 4) == 0;
	const char *keep_to = suffix, *part_end = suffix;

	while (!instance) {
		const char *dash = memrchr(unit, '-', (size_t)(part_end - unit));

		if (!dash ||
		    !(is_long_hex(dash + 1, part_end) || (transient && is_number(dash + 1, part_end))))
			break;
		keep_to = dash + 1;
		part_end = dash;
	}
	if (instance)
		keep_to = instance + 1;
	snprintf(ret_unit, HAK_CONTEXT_UNIT_CHARS + 1, "%.*s%s", (int)(keep_to - unit), unit, suffix);
}

void hak_context_key(const struct hak_context_place *place, const char *exe, struct hak_key *ret_key)
{
	static const char deleted[] = " (deleted)";
	const char *slash = strrchr(exe, '/');
	const char *program = slash ? slash + 1 : exe;
	size_t program_chars = strlen(program);
	char unit[HAK_CONTEXT_UNIT_CHARS + 1];
	char bytes[sizeof(VERSION_WORD) + sizeof(place->scope) + sizeof(unit) + 256];
	int length;

	if (has_suffix(program, program_chars, deleted))
		program_chars -= sizeof(deleted) - 1;
	if (program_chars > 255)
		program_chars = 255;
	hak_context_normalise_unit(place->unit, unit);
	length = snprintf(bytes, sizeof(bytes), "%s%c%s%c%s%c%.*s", VERSION_WORD, 0, place->scope, 0, unit, 0,
			  (int)program_chars, program);
	*ret_key = hak_key_hash(bytes, (size_t)length + 1); /* with the zero that ends the program */
}

void hak_context_format(const struct hak_key *key, char ret_hex[HAK_CONTEXT_HEX_CHARS + 1])
{
	for (size_t i = 0; i < HAK_CONTEXT_HEX_CHARS / 2; i++)
		snprintf(ret_hex + 2 * i, 3, "%02x", (unsigned)(key->word[i / 8] >> 8 * (i % 8) & 0xff));
}
