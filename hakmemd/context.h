/* SPDX-License-Identifier: MIT */
/*
 * Contexts: what makes two processes "the same program" to the learner. The daemon alone names them.
 *
 * The identity is the first 128 bits of SHA-256 over these bytes, each part ended by one zero byte:
 *
 *	"hakmem-context-1"   scope   unit   program
 *
 * scope:   "system", or "user:UID" for all that runs below user-UID.slice: what a user starts, by a manager
 *          of his own or in a session, never shares a context with a system unit or with another user
 * unit:    normalised, "" where there is none: instances, ids of containers, sessions and transient units are
 *          cut out (foo@a.service -> foo@.service, docker-9f3c... .scope -> docker-.scope)
 * program: base name of the executable
 *
 * The unit is systemd's: below slices the first one in the path. Groups further down belong to whom the unit
 * was delegated to (a container's own manager, say), who may call them as he likes, and would choose his
 * context by it.
 *
 * Build-id, library version, CPU family and page size are stored beside tallies (dimensions.h) and are not
 * identity: a security update must not unlearn a machine. Test vectors: tests/golden/contexts.json.
 */
#ifndef HAK_CONTEXT_H
#define HAK_CONTEXT_H

#include <stdbool.h>

#include "control.h"

enum { HAK_CONTEXT_UNIT_CHARS = 255, HAK_CONTEXT_SCOPE_CHARS = 31, HAK_CONTEXT_HEX_CHARS = 32 };

struct hak_context_place {
	char scope[HAK_CONTEXT_SCOPE_CHARS + 1]; /* "system" or "user:UID" */
	char unit[HAK_CONTEXT_UNIT_CHARS + 1];   /* as systemd calls it; "" without one */
};

/**
 * hak_context_place_of_cgroup() - scope and unit from a cgroup path as in /proc/PID/cgroup ("0::" line)
 * A path that names no unit gives scope "system" and unit "". No system call, no memory.
 */
void hak_context_place_of_cgroup(const char *cgroup_path, struct hak_context_place *ret_place);

/* The unit without what differs between two runs of the same thing. */
void hak_context_normalise_unit(const char *unit, char ret_unit[HAK_CONTEXT_UNIT_CHARS + 1]);

/* @exe: path or base name; " (deleted)" at its end is not part of the name. */
void hak_context_key(const struct hak_context_place *place, const char *exe, struct hak_key *ret_key);

/* Is it the key of a context? Zero is that of none. */
static inline bool hak_context_is_known(const struct hak_key *key)
{
	return key->word[0] || key->word[1];
}

/* 32 lower-case hexadecimal digits, in the digest's order. */
void hak_context_format(const struct hak_key *key, char ret_hex[HAK_CONTEXT_HEX_CHARS + 1]);

#endif
