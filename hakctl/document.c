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
#include "strange_text.h"

/* cJSON nests no deeper than it can recurse itself. */
static void clean(cJSON *item)
{
	for (; item; item = item->next) {
		if (cJSON_IsString(item))
			hak_make_printable(item->valuestring);
		clean(item->child);
	}
}

cJSON *hak_document_parse(const char *text)
{
	cJSON *root = cJSON_Parse(text);

	clean(root);
	return root;
}

int hak_document_target(const struct hak_ctl *ctl, char ret_target[HAK_DOCUMENT_TARGET_CHARS])
{
	const char *text = ctl->argc ? ctl->argv[0] : NULL;

	if (!text) {
		strcpy(ret_target, "*");
		return 0;
	}
	if (*text < '1' || strlen(text) > 9 || strspn(text, "0123456789") != strlen(text))
		return hak_ctl_fail(HAK_EXIT_USAGE, "'%s' is no process id; write a number such as 1234",
				    text);
	snprintf(ret_target, HAK_DOCUMENT_TARGET_CHARS, "pid:%s", text);
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
		*ret_root = hak_document_parse(text);
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

static int compare_pids(const void *left, const void *right)
{
	double one = hak_document_number(*(cJSON *const *)left, "pid"),
	       other = hak_document_number(*(cJSON *const *)right, "pid");

	return one < other ? -1 : one > other;
}

void hak_document_sort(cJSON *processes)
{
	size_t count = 0;
	cJSON **sorted = calloc((size_t)cJSON_GetArraySize(processes) + 1, sizeof(*sorted));

	if (!sorted)
		return; /* unsorted is better than none */
	while (processes->child)
		sorted[count++] = cJSON_DetachItemViaPointer(processes, processes->child);
	qsort(sorted, count, sizeof(*sorted), compare_pids);
	for (size_t i = 0; i < count; i++)
		(void)cJSON_AddItemToArray(processes, sorted[i]); /* allocates nothing */
	free(sorted);
}

const char *hak_document_text(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return text ? text : "-";
}

bool hak_document_is(const cJSON *object, const char *name)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, name));
}

bool hak_document_is_pinned(const cJSON *process)
{
	const cJSON *pin;

	cJSON_ArrayForEach(pin, cJSON_GetObjectItemCaseSensitive(process, "pinned"))
	{
		if (strcmp(pin->valuestring, "mode") == 0)
			return true;
	}
	return false;
}

double hak_document_number(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}
