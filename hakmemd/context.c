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

/* The kinds of unit that can have processes of their own. */
static bool is_unit(const char *part, size_t length)
{
	static const char *const kinds[] = {".service", ".scope", ".socket", ".mount", ".swap"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (has_suffix(part, length, kinds[i]))
			return length <= HAK_CONTEXT_UNIT_CHARS;
	}
	return false;
}

/*
 * "user-1000.slice" and, below it, "user@1000.service" make the scope. Once there is one it stays: further
 * down a user may make groups of any name. Return: is it such a part?
 */
static bool take_user(const char *part, size_t length, char scope[HAK_CONTEXT_SCOPE_CHARS + 1])
{
	bool is_slice = memcmp(part, "user-", 5) == 0 && has_suffix(part, length, ".slice");
	bool is_manager = memcmp(part, "user@", 5) == 0 && has_suffix(part, length, ".service");
	size_t digits = strspn(part + 5, "0123456789");
	char own[HAK_CONTEXT_SCOPE_CHARS + 1];

	if (!(is_slice || is_manager) || !digits || digits > 10 || part[5 + digits] != '.')
		return false;
	snprintf(own, sizeof(own), "user:%.*s", (int)digits, part + 5);
	if (strcmp(scope, "system") == 0)
		strcpy(scope, own);
	return strcmp(scope, own) == 0;
}

void hak_context_place_of_cgroup(const char *cgroup_path, struct hak_context_place *ret_place)
{
	const char *part = cgroup_path;

	snprintf(ret_place->scope, sizeof(ret_place->scope), "system");
	ret_place->unit[0] = '\0';
	while (*part && !*ret_place->unit) {
		size_t length = strcspn(part, "/");
		/* systemd puts '_' before a name that the kernel could take for a control file. */
		size_t escape = *part == '_';

		if (length > 5 && take_user(part, length, ret_place->scope))
			; /* below this everything is that user's */
		else if (is_unit(part + escape, length - escape))
			snprintf(ret_place->unit, sizeof(ret_place->unit), "%.*s", (int)(length - escape),
				 part + escape);
		else if (length && !has_suffix(part, length, ".slice") && strncmp(part, "..", length) != 0)
			return; /* a group that no manager made, and nor did it what is below */
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

/* 8-4-4-4-12 hexadecimal digits, a dash before them: of terminals and snaps. */
static bool ends_in_uuid(const char *from, const char *to)
{
	static const char shape[] = "-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	const char *at = to - (sizeof(shape) - 1);

	if ((size_t)(to - from) < sizeof(shape))
		return false;
	for (size_t i = 0; i < sizeof(shape) - 1; i++) {
		if (shape[i] == '-' ? at[i] != '-' : !isxdigit((unsigned char)at[i]))
			return false;
	}
	return true;
}

/* Where the part of @unit that stays the same ends. @suffix: its last dot. */
static const char *constant_end(const char *unit, const char *suffix)
{
	/* A service's number is its name (redis-6379.service); a scope's is not (session-3.scope). */
	bool transient = strcmp(suffix, ".scope") == 0 || strncmp(unit, "run-", 4) == 0;
	const char *instance = memchr(unit, '@', (size_t)(suffix - unit));
	const char *keep_to = suffix, *part_end = suffix, *dash;

	if (instance)
		return instance + 1;
	if (ends_in_uuid(unit, suffix))
		return suffix - 36;
	while ((dash = memrchr(unit, '-', (size_t)(part_end - unit)))) {
		if (!is_long_hex(dash + 1, part_end) && !(transient && is_number(dash + 1, part_end)))
			return keep_to;
		keep_to = dash + 1;
		part_end = dash;
	}
	return is_long_hex(unit, part_end) ? unit : keep_to;
}

void hak_context_normalise_unit(const char *unit, char ret_unit[HAK_CONTEXT_UNIT_CHARS + 1])
{
	const char *suffix = strrchr(unit, '.') ? strrchr(unit, '.') : unit + strlen(unit);

	snprintf(ret_unit, HAK_CONTEXT_UNIT_CHARS + 1, "%.*s%s", (int)(constant_end(unit, suffix) - unit),
		 unit, suffix);
}

void hak_context_key(const struct hak_context_place *place, const char *exe, struct hak_key *ret_key)
{
	static const char deleted[] = " (deleted)";
	const char *program = basename(exe);
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
