/* SPDX-License-Identifier: MIT */
/* hakctl set-mode MODE [PID|UNIT|CONTEXT] [--wait[=SEC]]: silent when it worked; with --wait it tells who has
 * applied it. Of some processes it is a profile, which goes before the mode of all, and is kept where none of
 * them runs: that is remarked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "json_text.h"
#include "target.h"
#include "unit.h"
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

static void print_json(const struct hak_ctl *ctl, const char *target, bool runs, uint64_t serial,
		       const struct counts *counts)
{
	struct hak_json *json = hak_json_text_open();

	hak_json_u64(json, "serial", serial);
	if (target)
		hak_json_bool(json, "runs", runs);
	if (ctl->wait) {
		hak_json_u64(json, "applied", counts->applied);
		hak_json_u64(json, "asleep", counts->asleep);
		hak_json_u64(json, "stopped", counts->stopped);
		hak_json_u64(json, "pinned", counts->pinned);
		hak_json_u64(json, "lost", counts->lost);
		hak_json_u64(json, "ended", counts->ended);
	}
	hak_json_text_close(json, ctl->json);
}

/* Does a process of the target run? */
static int look_whether_it_runs(struct hak_ctl *ctl, const char *target, bool *ret_runs)
{
	sd_bus_message *reply = NULL;
	int r, code;

	code = hak_call(ctl, "ListProcesses", false, &reply, "a{sv}su", 1, "target", "s", target, "", 1);
	if (code)
		return code;
	r = sd_bus_message_enter_container(reply, 'a', "a{sv}");
	if (r >= 0)
		r = sd_bus_message_at_end(reply, false);
	sd_bus_message_unref(reply);
	if (r < 0)
		return hak_call_garbled(r);
	*ret_runs = r == 0;
	return 0;
}

/* A misspelt unit looks the same as one that does not run. */
static bool is_of_no_unit(struct hak_ctl *ctl, const char *target)
{
	static const char prefix[] = "unit:";
	char *path = NULL;
	bool none = strncmp(target, prefix, strlen(prefix)) == 0 && !strpbrk(target, "*?[") &&
		    hak_unit_load(ctl->bus, target + strlen(prefix), &path) == -ENOENT;

	free(path);
	return none;
}

static void remark(struct hak_ctl *ctl, const char *mode, const char *target)
{
	(void)hak_ctl_fail(0, "no process of %s runs; %s will apply when one starts%s", target, mode,
			   is_of_no_unit(ctl, target)
				   ? ". systemd here has no such unit: a user's, or misspelt?"
				   : "");
}

int hak_verb_set_mode(struct hak_ctl *ctl)
{
	bool takes_back = strcmp(ctl->argv[0], "default") == 0, runs = true;
	char written[HAK_TARGET_CHARS];
	const char *target = NULL;
	struct counts counts = {0};
	enum hak_mode mode;
	uint64_t serial;
	int code = takes_back ? 0 : hak_words_mode(ctl->argv[0], &mode);

	if (code)
		return code;
	if (ctl->argc > 1 && strcmp(ctl->argv[1], "*") != 0) {
		hak_target_write(ctl->argv[1], written);
		target = written;
	}
	code = hak_ctl_set_mode(ctl, ctl->argv[0], target, &serial);
	if (code == 0 && target)
		code = look_whether_it_runs(ctl, target, &runs);
	if (code == 0 && !runs && !takes_back)
		remark(ctl, ctl->argv[0], target);
	if (code == 0 && runs && ctl->wait)
		code = wait_applied(ctl, target, serial, &counts);
	if (code)
		return code;
	if (ctl->json)
		print_json(ctl, target, runs, serial, &counts);
	else if (ctl->wait)
		printf("applied %u, asleep %u, stopped %u, pinned %u, lost %u\n", counts.applied,
		       counts.asleep, counts.stopped, counts.pinned, counts.lost);
	return counts.lost ? HAK_EXIT_NO : HAK_EXIT_OK;
}
