/* SPDX-License-Identifier: MIT */
/* hakctl set-mode MODE [PID|UNIT|CONTEXT] [--wait[=SEC]]: silent when it worked; with --wait it tells who has
 * applied it. Of some processes it is a profile, which goes before the mode of all. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call.h"
#include "json_text.h"
#include "target.h"
#include "words.h"

struct counts {
	uint32_t applied, pinned, asleep, stopped, lost, ended;
};

static int wait_applied(struct hak_ctl *ctl, const char *target, uint64_t serial, struct counts *ret_counts)
{
	const struct hak_call_field fields[] = {
		{"applied", "u", &ret_counts->applied}, {"pinned", "u", &ret_counts->pinned},
		{"asleep", "u", &ret_counts->asleep},   {"stopped", "u", &ret_counts->stopped},
		{"lost", "u", &ret_counts->lost},       {"ended", "u", &ret_counts->ended},
	};
	sd_bus_message *reply = NULL;
	int code;

	ctl->call_usec = ctl->wait_usec +
			 30000000; /* the daemon keeps the time; ours only has to be longer */
	code = hak_call(ctl, "WaitApplied", false, &reply, "tta{sv}", serial, ctl->wait_usec, 1, "target",
			"s", target ? target : "*");
	if (code == 0)
		code = hak_call_read_fields(reply, fields, sizeof(fields) / sizeof(*fields));
	sd_bus_message_unref(reply);
	return code;
}

int hak_ctl_set_mode(struct hak_ctl *ctl, const char *mode, const char *target, uint64_t *ret_serial)
{
	const char *reason = *ctl->reason ? ctl->reason : "hakctl";
	sd_bus_message *reply = NULL;
	int code;

	if (!target)
		code = hak_call(ctl, "SetMode", true, &reply, "sa{sv}", mode, 1, "reason", "s", reason);
	else if (strcmp(mode, "default") == 0)
		code = hak_call(ctl, "ClearProfile", true, &reply, "sa{sv}", target, 1, "reason", "s",
				reason);
	else
		code = hak_call(ctl, "SetProfile", true, &reply, "sa{sv}a{sv}", target, 1, "mode", "s", mode,
				1, "reason", "s", reason);
	return hak_call_read_number(code, reply, ret_serial);
}

static void print(const struct hak_ctl *ctl, uint64_t serial, const struct counts *counts)
{
	if (ctl->json)
		hak_json_text_printf(ctl->json,
				     "{\"schema\":1,\"serial\":%" PRIu64
				     ",\"applied\":%u,\"asleep\":%u,\"stopped\":%u,\"pinned\":%u,"
				     "\"lost\":%u,\"ended\":%u}",
				     serial, counts->applied, counts->asleep, counts->stopped, counts->pinned,
				     counts->lost, counts->ended);
	else
		printf("applied %u, asleep %u, stopped %u, pinned %u, lost %u\n", counts->applied,
		       counts->asleep, counts->stopped, counts->pinned, counts->lost);
}

/* A unit or a context may be set before anything runs in it; a misspelt one looks the same, so people are
 * told. */
static bool is_empty(struct hak_ctl *ctl, const char *target)
{
	char why[512], *text = NULL;
	bool empty;

	ctl->list_most = 1;
	hak_ctl_catch(why, sizeof(why));
	empty = hak_call_document(ctl, "DumpStats", target, &text) == HAK_EXIT_FAILED;
	hak_ctl_catch(NULL, 0);
	free(text);
	return empty;
}

int hak_verb_set_mode(struct hak_ctl *ctl)
{
	char written[HAK_TARGET_CHARS];
	const char *target = NULL;
	struct counts counts = {0};
	enum hak_mode mode;
	bool empty = false;
	uint64_t serial;
	int code;

	if (strcmp(ctl->argv[0], "default") != 0) {
		code = hak_words_mode(ctl->argv[0], &mode);
		if (code)
			return code;
	}
	if (ctl->argc > 1 && strcmp(ctl->argv[1], "*") != 0) {
		hak_target_write(ctl->argv[1], written);
		target = written;
	}
	code = hak_ctl_set_mode(ctl, ctl->argv[0], target, &serial);
	if (code)
		return code;
	if (target && (ctl->wait || isatty(STDERR_FILENO)))
		empty = is_empty(ctl, target);
	if (empty && isatty(STDERR_FILENO))
		(void)hak_ctl_fail(0, "nothing under hakmem is %s now; what starts there will be told",
				   target);
	if (!ctl->wait) {
		if (ctl->json)
			hak_json_text_printf(ctl->json, "{\"schema\":1,\"serial\":%" PRIu64 "}", serial);
		return HAK_EXIT_OK;
	}
	if (!empty)
		code = wait_applied(ctl, target, serial, &counts);
	if (code)
		return code;
	print(ctl, serial, &counts);
	return counts.lost ? HAK_EXIT_NO : HAK_EXIT_OK;
}
