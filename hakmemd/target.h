/* SPDX-License-Identifier: MIT */
/* Targets as callers write them: "*", "pid:123", "unit:redis-server.service" (a glob), "context:32 hex
 * digits". */
#ifndef HAK_TARGET_H
#define HAK_TARGET_H

#include "client.h"

enum hak_target_kind { HAK_TARGET_ALL, HAK_TARGET_PID, HAK_TARGET_UNIT, HAK_TARGET_CONTEXT };

struct hak_target {
	enum hak_target_kind kind;
	pid_t pid;
	char text[HAK_CONTEXT_UNIT_CHARS + 1]; /* unit glob, or the context's digits */
};

/* Return: 0, -EINVAL. */
int hak_target_parse(const char *text, struct hak_target *ret_target);
/* Does a process of it match? */
bool hak_target_matches_client(const struct hak_target *target, const struct hak_client *client);
/* Is the slot's process meant? */
bool hak_target_matches(const struct hak_target *target, const struct hak_slot *slot);

#endif
