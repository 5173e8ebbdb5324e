/* SPDX-License-Identifier: MIT */
/* hakctl freeze, thaw and rollback CONTEXT: decide instead of the learner. Success is silent. */
#include <string.h>

#include "call.h"
#include "learned.h"

enum { TARGET_CHARS = 512 };

static int ask(struct hak_ctl *ctl, const char *member)
{
	sd_bus_message *call, *reply = NULL;
	char target[TARGET_CHARS];
	int code, r;

	hak_learned_target(ctl->argv[0], target, sizeof(target));
	code = hak_call_new(ctl, member, true, &call);
	if (code)
		return code;
	r = sd_bus_message_append(call, "sa{sv}", target, 1, "reason", "s", ctl->reason);
	if (r < 0) {
		sd_bus_message_unref(call);
		return hak_ctl_fail(HAK_EXIT_FAILED, "cannot make a call: %s", strerror(-r));
	}
	code = hak_call_send(ctl, call, 0, &reply);
	sd_bus_message_unref(reply);
	return code;
}

int hak_verb_freeze(struct hak_ctl *ctl)
{
	return ask(ctl, "Freeze");
}

int hak_verb_thaw(struct hak_ctl *ctl)
{
	return ask(ctl, "Thaw");
}

int hak_verb_rollback(struct hak_ctl *ctl)
{
	return ask(ctl, "Rollback");
}
