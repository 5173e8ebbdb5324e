/* SPDX-License-Identifier: MIT */
/* See target.h. */
#include "target.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static int parse_pid(const char *text, pid_t *ret_pid)
{
	char *end;
	unsigned long pid;

	errno = 0;
	pid = strtoul(text, &end, 10);
	if (errno || end == text || *end || text[0] < '1' || text[0] > '9' || pid > INT32_MAX)
		return -EINVAL;
	*ret_pid = (pid_t)pid;
	return 0;
}

int hak_target_parse(const char *text, struct hak_target *ret_target)
{
	struct hak_target target = {.kind = HAK_TARGET_ALL};
	const char *value = strchr(text, ':');

	if (strcmp(text, "*") == 0) {
		*ret_target = target;
		return 0;
	}
	if (!value || !value[1] || strlen(value + 1) >= sizeof(target.text))
		return -EINVAL;
	value++;
	strcpy(target.text, value);
	if (strncmp(text, "pid:", 4) == 0) {
		target.kind = HAK_TARGET_PID;
		if (parse_pid(value, &target.pid) < 0)
			return -EINVAL;
	} else if (strncmp(text, "unit:", 5) == 0) {
		target.kind = HAK_TARGET_UNIT;
	} else if (strncmp(text, "context:", 8) == 0) {
		target.kind = HAK_TARGET_CONTEXT;
		if (strlen(value) != HAK_CONTEXT_HEX_CHARS ||
		    strspn(value, "0123456789abcdef") != HAK_CONTEXT_HEX_CHARS)
			return -EINVAL;
	} else {
		return -EINVAL;
	}
	*ret_target = target;
	return 0;
}

bool hak_target_matches(const struct hak_target *target, const struct hak_slot *slot)
{
	char context[HAK_CONTEXT_HEX_CHARS + 1];

	switch (target->kind) {
	case HAK_TARGET_ALL:
		return true;
	case HAK_TARGET_PID:
		return slot->pid == target->pid;
	case HAK_TARGET_UNIT:
		/* A backslash is part of the name: systemd writes "\x2d" for a dash. */
		return fnmatch(target->text, slot->client->place.unit, FNM_NOESCAPE) == 0;
	case HAK_TARGET_CONTEXT:
		hak_context_format(&slot->client->context, context);
		return strcmp(context, target->text) == 0;
	}
	return false;
}

bool hak_target_matches_client(const struct hak_target *target, const struct hak_client *client)
{
	HAK_FOREACH_SLOT(slot, client) {
		if (hak_slot_has_process(slot) && hak_target_matches(target, slot))
			return true;
	}
	return false;
}
