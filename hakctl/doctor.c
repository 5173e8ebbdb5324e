/* SPDX-License-Identifier: MIT */
/*
 * hakctl doctor [PID]: what keeps hakmem from doing all it can on this machine, or for one process; what that
 * costs, and how to mend it. Works without hakmemd, too. Exits HAK_EXIT_NO where something is amiss.
 */
#include "doctor.h"

#include <stdlib.h>

#include "call.h"
#include "document.h"
#include "pager.h"

/* The statistics, or a check that says why there are none. */
static cJSON *ask_daemon(struct hak_checks *checks, struct hak_ctl *ctl)
{
	char why[512] = "", *text = NULL;
	cJSON *document = NULL;

	ctl->brief = true;
	hak_ctl_catch(why, sizeof(why));
	if (hak_call_document(ctl, "DumpStats", NULL, &text) == 0)
		document = hak_document_parse(text);
	hak_ctl_catch(NULL, 0);
	free(text);
	if (document)
		hak_checks_add(
			checks, "hakmemd", HAK_CHECK_OK, "", "%s, mode %s",
			hak_document_text(cJSON_GetObjectItemCaseSensitive(document, "daemon"), "version"),
			hak_document_text(cJSON_GetObjectItemCaseSensitive(document, "daemon"), "mode"));
	else
		hak_checks_add(checks, "hakmemd", HAK_CHECK_MISSING, "", "%s", why);
	return document;
}

int hak_verb_doctor(struct hak_ctl *ctl)
{
	struct hak_checks checks = {.check = NULL};
	bool healthy;
	char target[HAK_DOCUMENT_TARGET_CHARS];
	cJSON *document;
	int code = hak_document_target(ctl, target);

	if (code)
		return code;
	document = ask_daemon(&checks, ctl);
	if (ctl->argc) {
		hak_doctor_process(&checks, ctl, strtoull(ctl->argv[0], NULL, 10), document);
	} else {
		hak_doctor_machine(&checks, ctl);
		if (document)
			hak_doctor_daemon(&checks, document);
		hak_doctor_units(&checks, document);
	}
	healthy = hak_checks_are_good(&checks);
	hak_pager_open(ctl);
	hak_checks_print(&checks, ctl->json);
	cJSON_Delete(document);
	hak_checks_deinit(&checks);
	return healthy ? HAK_EXIT_OK : HAK_EXIT_NO;
}
