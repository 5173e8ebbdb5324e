/* SPDX-License-Identifier: MIT */
/* See document.h. */
#include "document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "json_text.h"
#include "pager.h"

int hak_document_pid_target(const char *text, char *ret_target, size_t room)
{
	if (!*text || strlen(text) > 10 || strspn(text, "0123456789") != strlen(text))
		return hak_ctl_fail(HAK_EXIT_USAGE, "'%s' is no process id; write a number", text);
	snprintf(ret_target, room, "pid:%s", text);
	return 0;
}

int hak_document_get(struct hak_ctl *ctl, const char *member, const char *target, bool always,
		     cJSON **ret_root)
{
	char *text = NULL;
	int code;

	*ret_root = NULL;
	code = hak_call_document(ctl, member, target, &text);
	if (code)
		return code;
	if (!ctl->json || always) {
		*ret_root = cJSON_Parse(text);
		if (!*ret_root)
			code = hak_call_garbled(-EBADMSG);
	}
	if (code == 0) {
		hak_pager_open(ctl);
		if (ctl->json)
			hak_json_text_print(stdout, text, ctl->json);
	}
	free(text);
	return code;
}

const char *hak_document_text(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return text ? text : "-";
}

double hak_document_number(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}
