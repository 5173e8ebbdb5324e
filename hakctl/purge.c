/* SPDX-License-Identifier: MIT */
/* hakctl purge PID|UNIT|--all [--wait=SEC]: ask, wait until it is done, say what came of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "call.h"
#include "purge.h"
#include "table.h"

enum { POLL_NSEC = 20000000, DEFAULT_USEC = 10000000, TARGET_CHARS = 300 };

/* As hakmemd writes targets: a number is a process, a word with a colon is one already, the rest a unit. */
static int write_target(const struct hak_ctl *ctl, char ret_target[TARGET_CHARS])
{
	const char *word = ctl->argc ? ctl->argv[0] : "*";

	if (ctl->all && ctl->argc)
		return hak_ctl_fail(HAK_EXIT_USAGE, "write either '%s' or --all, not both", word);
	if (!ctl->all && !ctl->argc)
		return hak_ctl_fail(HAK_EXIT_USAGE, "whom? write 'hakctl purge PID|UNIT|--all'");
	if (ctl->all || strchr(word, ':'))
		snprintf(ret_target, TARGET_CHARS, "%s", word);
	else if (word[strspn(word, "0123456789")] == '\0')
		snprintf(ret_target, TARGET_CHARS, "pid:%s", word);
	else
		snprintf(ret_target, TARGET_CHARS, "unit:%s", word);
	return 0;
}

int hak_purge_begin(struct hak_ctl *ctl, const char *target, uint64_t *ret_job)
{
	sd_bus_message *call, *reply = NULL;
	int code, r;

	code = hak_call_new(ctl, "Purge", true, &call);
	if (code)
		return code;
	r = sd_bus_message_append(call, "sa{sv}", target, 2, "reason", "s",
				  *ctl->reason ? ctl->reason : "hakctl", "timeout-usec", "t",
				  ctl->wait ? ctl->wait_usec : (uint64_t)DEFAULT_USEC);
	if (r < 0) {
		sd_bus_message_unref(call);
		return hak_call_garbled(r);
	}
	code = hak_call_send(ctl, call, 0, &reply);
	if (code == 0) {
		r = sd_bus_message_read(reply, "t", ret_job);
		code = r < 0 ? hak_call_garbled(r) : 0;
	}
	sd_bus_message_unref(reply);
	return code;
}

static int read_outcome(sd_bus_message *reply, struct hak_purge_outcome *ret_outcome, const char **ret_state)
{
	const struct {
		const char *name, *type;
		void *value;
	} known[] = {
		{"state", "s", ret_state},
		{"obeyed", "u", &ret_outcome->obeyed},
		{"asleep", "u", &ret_outcome->asleep},
		{"stopped", "u", &ret_outcome->stopped},
		{"lost", "u", &ret_outcome->lost},
		{"resident-before", "t", &ret_outcome->before_bytes},
		{"resident-after", "t", &ret_outcome->after_bytes},
		{"taken", "t", &ret_outcome->taken_bytes},
	};
	int r;

	r = sd_bus_message_enter_container(reply, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
		const char *name, *type = NULL;
		void *value = NULL;

		r = sd_bus_message_read(reply, "s", &name);
		for (size_t i = 0; r >= 0 && i < sizeof(known) / sizeof(*known); i++) {
			if (strcmp(known[i].name, name) == 0) {
				type = known[i].type;
				value = known[i].value;
			}
		}
		if (r >= 0)
			r = type ? sd_bus_message_read(reply, "v", type, value)
				 : sd_bus_message_skip(reply, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(reply);
	}
	return r;
}

static void print(const struct hak_ctl *ctl, const struct hak_purge_outcome *outcome)
{
	uint64_t given_bytes = outcome->before_bytes > outcome->after_bytes
				       ? outcome->before_bytes - outcome->after_bytes
				       : 0;
	char given[HAK_TABLE_NUMBER_CHARS], after[HAK_TABLE_NUMBER_CHARS];

	if (ctl->json) {
		printf("{\"schema\":1,\"state\":\"%s\",\"obeyed\":%u,\"asleep\":%u,\"stopped\":%u,\"lost\":%"
		       "u,"
		       "\"resident_before_bytes\":%" PRIu64 ",\"resident_after_bytes\":%" PRIu64
		       ",\"taken_bytes\":%" PRIu64 "}\n",
		       outcome->state, outcome->obeyed, outcome->asleep, outcome->stopped, outcome->lost,
		       outcome->before_bytes, outcome->after_bytes, outcome->taken_bytes);
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
	if (outcome->asleep + outcome->stopped)
		printf("who sleeps or is stopped gives back when it next allocates or frees\n");
}

int hak_purge_look(struct hak_ctl *ctl, uint64_t job, struct hak_purge_outcome *ret_outcome)
{
	sd_bus_message *call, *reply = NULL;
	const char *state = "";
	int code, r;

	*ret_outcome = (struct hak_purge_outcome){.runs = true};
	code = hak_call_new(ctl, "GetJob", false, &call);
	if (code)
		return code;
	r = sd_bus_message_append(call, "t", job);
	if (r < 0) {
		sd_bus_message_unref(call);
		return hak_call_garbled(r);
	}
	code = hak_call_send(ctl, call, 0, &reply);
	if (code)
		return code;
	r = read_outcome(reply, ret_outcome, &state);
	snprintf(ret_outcome->state, sizeof(ret_outcome->state), "%s", state);
	ret_outcome->runs = strcmp(state, "running") == 0;
	sd_bus_message_unref(reply);
	return r < 0 ? hak_call_garbled(r) : 0;
}

int hak_verb_purge(struct hak_ctl *ctl)
{
	const struct timespec pause = {.tv_nsec = POLL_NSEC};
	struct hak_purge_outcome outcome = {.runs = true};
	char target[TARGET_CHARS];
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
	return outcome.lost ? HAK_EXIT_NO : HAK_EXIT_OK;
}
