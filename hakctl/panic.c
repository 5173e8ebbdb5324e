/* SPDX-License-Identifier: MIT */
/* hakctl panic [--off]: the kill switch. Silent when it worked. */
#include <inttypes.h>
#include <stdio.h>

#include "call.h"

int hak_verb_panic(struct hak_ctl *ctl)
{
	sd_bus_message *call, *reply = NULL;
	int code, r;

	code = hak_call_new(ctl, "Panic", true, &call);
	if (code)
		return code;
	r = sd_bus_message_append(call, "bs", !ctl->off, *ctl->reason ? ctl->reason : "hakctl panic");
	if (r < 0) {
		sd_bus_message_unref(call);
		return hak_call_garbled(r);
	}
	code = hak_call_send(ctl, call, 0, &reply);
	if (code == 0 && ctl->json) {
		uint64_t serial;

		r = sd_bus_message_read(reply, "t", &serial);
		if (r < 0)
			code = hak_call_garbled(r);
		else
			printf("{\"schema\":1,\"panicked\":%s,\"serial\":%" PRIu64 "}\n",
			       ctl->off ? "false" : "true", serial);
	}
	sd_bus_message_unref(reply);
	return code;
}
