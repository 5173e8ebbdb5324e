/* SPDX-License-Identifier: MIT */
/* hakctl panic [--off]: the kill switch. Silent when it worked. */
#include <inttypes.h>

#include "call.h"
#include "json_text.h"

int hak_verb_panic(struct hak_ctl *ctl)
{
	sd_bus_message *reply = NULL;
	uint64_t serial;
	int code = hak_call(ctl, "Panic", true, &reply, "bs", !ctl->off,
			    *ctl->reason ? ctl->reason : "hakctl panic");

	code = hak_call_read_number(code, reply, &serial);
	if (code == 0 && ctl->json)
		hak_json_text_printf(ctl->json, "{\"schema\":1,\"panicked\":%s,\"serial\":%" PRIu64 "}",
				     ctl->off ? "false" : "true", serial);
	return code;
}
