/* SPDX-License-Identifier: MIT */
/* hakctl verify [PID]: prints who does not run what is published; exits HAK_EXIT_NO where one that was active
 * does not. */
#include <stdio.h>
#include <string.h>

#include "document.h"
#include "table.h"

static const char *mode_of(const cJSON *process, const char *which)
{
	return hak_document_text(cJSON_GetObjectItemCaseSensitive(process, which), "mode");
}

static void print_exceptions(const cJSON *processes)
{
	static const char *const heading[] = {"PID", "VERDICT", "PUBLISHED", "RUNS", "COMMAND", NULL};
	struct hak_table table;
	const cJSON *process;

	hak_table_init(&table, "rllll");
	hak_table_add_words(&table, heading);
	cJSON_ArrayForEach(process, processes)
	{
		if (strcmp(hak_document_text(process, "verdict"), "match") == 0)
			continue;
		if (hak_document_is(process, "redacted"))
			hak_table_add(&table, "-");
		else
			hak_table_addf(&table, "%.0f", hak_document_number(process, "pid"));
		hak_table_add(&table, hak_document_text(process, "verdict"));
		hak_table_add(&table, mode_of(process, "expected"));
		hak_table_add(&table, mode_of(process, "actual"));
		hak_table_add(&table, hak_document_text(process, "comm"));
	}
	if (table.cells > table.columns)
		hak_table_print(&table);
	hak_table_deinit(&table);
}

static void print_summary(const cJSON *summary)
{
	const cJSON *count;
	const char *separator = "";

	cJSON_ArrayForEach(count, summary)
	{
		printf("%s%s %.0f", separator, count->string, count->valuedouble);
		separator = ", ";
	}
	putchar('\n');
}

int hak_verb_verify(struct hak_ctl *ctl)
{
	char target[HAK_DOCUMENT_TARGET_CHARS];
	bool verified;
	cJSON *root;
	int code;

	code = hak_document_target(ctl, target);
	if (code)
		return code;
	code = hak_document_get(ctl, "Verify", target, true, &root);
	if (code)
		return code;
	verified = hak_document_is(root, "verified");
	if (!ctl->json) {
		print_exceptions(cJSON_GetObjectItemCaseSensitive(root, "processes"));
		print_summary(cJSON_GetObjectItemCaseSensitive(root, "summary"));
	}
	cJSON_Delete(root);
	return verified ? HAK_EXIT_OK : HAK_EXIT_NO;
}
