/* SPDX-License-Identifier: MIT */
/* hakctl set-mode MODE [--wait[=SEC]]: silent when it worked; with --wait it tells who has applied it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "call.h"

struct counts {
	uint32_t applied, pinned, asleep, stopped, lost, ended;
};

static int read_counts(sd_bus_message *reply, struct counts *ret_counts)
{
	const struct {
		const char *name;
		uint32_t *value;
	} known[] = {
		{"applied", &ret_counts->applied}, {"pinned", &ret_counts->pinned},
		{"asleep", &ret_counts->asleep},   {"stopped", &ret_counts->stopped},
		{"lost", &ret_counts->lost},       {"ended", &ret_counts->ended},
	};
	int r;

	r = sd_bus_message_enter_container(reply, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
		uint32_t *value = NULL;
		const char *name;

		r = sd_bus_message_read(reply, "s", &name);
		for (size_t i = 0; r >= 0 && i < sizeof(known) / sizeof(*known); i++) {
			if (strcmp(known[i].name, name) == 0)
				value = known[i].value;
		}
		if (r >= 0)
			r = value ? sd_bus_message_read(reply, "v", "u", value)
				  : sd_bus_message_skip(reply, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(reply);
	}
	return r;
}

static int wait_applied(struct hak_ctl *ctl, uint64_t serial, struct counts *ret_counts)
{
	sd_bus_message *call, *reply = NULL;
	int code, r;

	code = hak_call_new(ctl, "WaitApplied", false, &call);
	if (code)
		return code;
	r = sd_bus_message_append(call, "tta{sv}", serial, ctl->wait_usec, 0);
	if (r < 0) {
		sd_bus_message_unref(call);
		return hak_call_garbled(r);
	}
	/* The daemon keeps the time; ours only has to be longer. */
	code = hak_call_send(ctl, call, ctl->wait_usec + 30000000, &reply);
	if (code == 0) {
		r = read_counts(reply, ret_counts);
		code = r < 0 ? hak_call_garbled(r) : 0;
	}
	sd_bus_message_unref(reply);
	return code;
}

int hak_ctl_set_mode(struct hak_ctl *ctl, const char *mode, uint64_t *ret_serial)
{
	sd_bus_message *call, *reply = NULL;
	int code, r;

	code = hak_call_new(ctl, "SetMode", true, &call);
	if (code)
		return code;
	r = sd_bus_message_append(call, "sa{sv}", mode, 1, "reason", "s",
				  *ctl->reason ? ctl->reason : "hakctl");
	if (r < 0) {
		sd_bus_message_unref(call);
		return hak_call_garbled(r);
	}
	code = hak_call_send(ctl, call, 0, &reply);
	if (code == 0) {
		r = sd_bus_message_read(reply, "t", ret_serial);
		code = r < 0 ? hak_call_garbled(r) : 0;
	}
	sd_bus_message_unref(reply);
	return code;
}

static void print(const struct hak_ctl *ctl, uint64_t serial, const struct counts *counts)
{
	if (ctl->json)
		printf("{\"schema\":1,\"serial\":%" PRIu64
		       ",\"applied\":%u,\"asleep\":%u,\"stopped\":%u,\"pinned\":%u,"
		       "\"lost\":%u,\"ended\":%u}\n",
		       serial, counts->applied, counts->asleep, counts->stopped, counts->pinned, counts->lost,
		       counts->ended);
	else
		printf("applied %u, asleep %u, stopped %u, pinned %u, lost %u\n", counts->applied,
		       counts->asleep, counts->stopped, counts->pinned, counts->lost);
}

int hak_verb_set_mode(struct hak_ctl *ctl)
{
	struct counts counts = {0};
	enum hak_mode mode;
	uint64_t serial;
	int code;

	if (strcmp(ctl->argv[0], "default") != 0) {
		code = hak_ctl_mode(ctl->argv[0], &mode);
		if (code)
			return code;
	}
	code = hak_ctl_set_mode(ctl, ctl->argv[0], &serial);
	if (code || !ctl->wait) {
		if (!code && ctl->json)
			printf("{\"schema\":1,\"serial\":%" PRIu64 "}\n", serial);
		return code;
	}
	code = wait_applied(ctl, serial, &counts);
	if (code)
		return code;
	print(ctl, serial, &counts);
	return counts.lost ? HAK_EXIT_NO : HAK_EXIT_OK;
}
