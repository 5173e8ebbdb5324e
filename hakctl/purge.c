/* SPDX-License-Identifier: MIT */
/* hakctl purge PID|UNIT|CONTEXT|--all [--wait=SEC]: ask, wait until it is done, say what came of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "call.h"
#include "json_text.h"
#include "purge.h"
#include "table.h"
#include "target.h"

enum { POLL_NSEC = 20000000, DEFAULT_USEC = 10000000 };

static int write_target(const struct hak_ctl *ctl, char ret_target[HAK_TARGET_CHARS])
{
	if (ctl->all && ctl->argc)
		return hak_ctl_fail(HAK_EXIT_USAGE, "write either '%s' or --all, not both", ctl->argv[0]);
	if (!ctl->all && !ctl->argc)
		return hak_ctl_fail(HAK_EXIT_USAGE,
				    "whom? write 'hakctl purge PID|UNIT|CONTEXT' or 'hakctl purge --all'");
	hak_target_write(ctl->all ? "*" : ctl->argv[0], ret_target);
	return 0;
}

int hak_purge_begin(struct hak_ctl *ctl, const char *target, uint64_t *ret_job)
{
	sd_bus_message *reply = NULL;
	int code = hak_call(ctl, "Purge", true, &reply, "sa{sv}", target, 2, "reason", "s",
			    *ctl->reason ? ctl->reason : "hakctl", "timeout-usec", "t",
			    ctl->wait ? ctl->wait_usec : (uint64_t)DEFAULT_USEC);

	return hak_call_read_number(code, reply, ret_job);
}

static void print(const struct hak_ctl *ctl, const struct hak_purge_outcome *outcome)
{
	uint64_t given_bytes = outcome->before_bytes > outcome->after_bytes
				       ? outcome->before_bytes - outcome->after_bytes
				       : 0;
	char given[HAK_TABLE_NUMBER_CHARS], after[HAK_TABLE_NUMBER_CHARS];

	if (ctl->json) {
		hak_json_text_printf(ctl->json,
				     "{\"schema\":1,\"state\":\"%s\",\"obeyed\":%u,\"asleep\":%u,\"stopped\":"
				     "%u,\"lost\":%u,"
				     "\"resident_before_bytes\":%" PRIu64 ",\"resident_after_bytes\":%" PRIu64
				     ",\"taken_bytes\":%" PRIu64 ",\"unanswered\":%u}",
				     outcome->state, outcome->obeyed, outcome->asleep, outcome->stopped,
				     outcome->lost, outcome->before_bytes, outcome->after_bytes,
				     outcome->taken_bytes, outcome->unanswered);
		return;
	}
	hak_table_bytes((double)given_bytes, given);
	hak_table_bytes((double)outcome->after_bytes, after);
	printf("purged %u, asleep %u, stopped %u, lost %u: resident memory fell by %s to %s\n",
	       outcome->obeyed, outcome->asleep, outcome->stopped, outcome->lost, given, after);
	if (outcome->taken_bytes) {
		hak_table_bytes((double)outcome->taken_bytes, given);
		printf("%s that was lazily free was taken from outside\n", given);
	}
	if (outcome->unanswered)
		printf("hakmem-helper did not answer about %u: what they freed lazily may still be there\n",
		       outcome->unanswered);
	if (outcome->asleep + outcome->stopped)
		printf("who sleeps or is stopped gives back when it next allocates or frees\n");
}

int hak_purge_look(struct hak_ctl *ctl, uint64_t job, struct hak_purge_outcome *ret_outcome)
{
	const char *state = "";
	const struct hak_call_field fields[] = {
		{"state", "s", &state},
		{"obeyed", "u", &ret_outcome->obeyed},
		{"asleep", "u", &ret_outcome->asleep},
		{"stopped", "u", &ret_outcome->stopped},
		{"lost", "u", &ret_outcome->lost},
		{"resident-before", "t", &ret_outcome->before_bytes},
		{"resident-after", "t", &ret_outcome->after_bytes},
		{"taken", "t", &ret_outcome->taken_bytes},
		{"unanswered", "u", &ret_outcome->unanswered},
	};
	sd_bus_message *reply = NULL;
	int code;

	*ret_outcome = (struct hak_purge_outcome){.runs = true};
	code = hak_call(ctl, "GetJob", false, &reply, "t", job);
	if (code == 0)
		code = hak_call_read_fields(reply, fields, sizeof(fields) / sizeof(*fields));
	snprintf(ret_outcome->state, sizeof(ret_outcome->state), "%s", state);
	ret_outcome->runs = strcmp(state, "running") == 0;
	sd_bus_message_unref(reply);
	return code;
}

int hak_verb_purge(struct hak_ctl *ctl)
{
	const struct timespec pause = {.tv_nsec = POLL_NSEC};
	struct hak_purge_outcome outcome = {.runs = true};
	char target[HAK_TARGET_CHARS];
	uint64_t job;
	int code;

	code = write_target(ctl, target);
	if (code == 0)
		code = hak_purge_begin(ctl, target, &job);
	while (code == 0 && outcome.runs) {
		(void)nanosleep(&pause, NULL); /* shorter is fine */
		code = hak_purge_look(ctl, job, &outcome);
	}
	if (code)
		return code;
	print(ctl, &outcome);
	return outcome.lost || outcome.unanswered ? HAK_EXIT_NO : HAK_EXIT_OK;
}
