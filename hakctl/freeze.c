/* SPDX-License-Identifier: MIT */
/* hakctl freeze, thaw and rollback CONTEXT: decide instead of the learner. Success is silent. */
#include <inttypes.h>

#include "call.h"
#include "json_text.h"
#include "target.h"

static int decide(struct hak_ctl *ctl, const char *member)
{
	sd_bus_message *reply = NULL;
	char target[HAK_TARGET_CHARS];
	uint64_t serial;
	int code;

	hak_target_write_context(ctl->argv[0], target);
	code = hak_call(ctl, member, true, &reply, "sa{sv}", target, 1, "reason", "s", ctl->reason);
	code = hak_call_read_number(code, reply, &serial);
	if (code == 0 && ctl->json)
		hak_json_text_printf(ctl->json, "{\"schema\":1,\"serial\":%" PRIu64 "}", serial);
	return code;
}

int hak_verb_freeze(struct hak_ctl *ctl)
{
	return decide(ctl, "Freeze");
}

int hak_verb_thaw(struct hak_ctl *ctl)
{
	return decide(ctl, "Thaw");
}

int hak_verb_rollback(struct hak_ctl *ctl)
{
	return decide(ctl, "Rollback");
}
