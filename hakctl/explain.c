/* SPDX-License-Identifier: MIT */
/* hakctl explain PID|CONTEXT: what runs, why, on which evidence, and what would change it. */
#include <stdio.h>
#include <string.h>

#include "document.h"
#include "learned.h"
#include "target.h"

/* Who decided the mode, and who would have otherwise. */
static void print_candidates(const cJSON *candidates)
{
	const cJSON *candidate;

	cJSON_ArrayForEach(candidate, candidates)
	{
		const cJSON *mode = cJSON_GetObjectItemCaseSensitive(candidate, "mode");

		if (!cJSON_IsString(mode))
			continue;
		printf("  %s %-10s %s", hak_document_is(candidate, "chosen") ? "*" : " ",
		       hak_document_text(candidate, "source"), mode->valuestring);
		if (cJSON_IsString(cJSON_GetObjectItemCaseSensitive(candidate, "evidence")))
			printf(" (%s)", hak_document_text(candidate, "evidence"));
		putchar('\n');
	}
}

static void print_learning(const cJSON *learned)
{
	hak_learned_print(learned, true);
	printf("what would change it: %s\n", hak_document_text(learned, "what_would_change_it"));
	if (cJSON_IsString(cJSON_GetObjectItemCaseSensitive(learned, "trial")))
		printf("trial: half of the processes that start run %s from their first allocation on\n",
		       hak_document_text(learned, "trial"));
	if (hak_document_is(learned, "paused"))
		puts("memory is short: no games are played");
}

static void print_process(const cJSON *process)
{
	const cJSON *learned = cJSON_GetObjectItemCaseSensitive(process, "learned");

	printf("process %.0f (%s) runs mode %s; candidates, the first one counts:\n",
	       hak_document_number(process, "pid"), hak_document_text(process, "comm"),
	       hak_document_text(process, "mode"));
	print_candidates(cJSON_GetObjectItemCaseSensitive(process, "candidates"));
	if (learned)
		print_learning(learned);
}

static int explain_process(struct hak_ctl *ctl, const char *target)
{
	const cJSON *process;
	cJSON *root;
	int code = hak_document_get(ctl, "Explain", target, false, &root);

	if (code || !root)
		return code;
	cJSON_ArrayForEach(process, cJSON_GetObjectItemCaseSensitive(root, "processes"))
		print_process(process);
	cJSON_Delete(root);
	return HAK_EXIT_OK;
}

int hak_verb_explain(struct hak_ctl *ctl)
{
	char target[HAK_TARGET_CHARS];
	const cJSON *learned;
	cJSON *root;
	int code;

	hak_target_write_context(ctl->argv[0], target);
	if (strncmp(target, "pid:", 4) == 0)
		return explain_process(ctl, target);
	code = hak_document_get(ctl, "DumpRatings", target, false, &root);
	if (code || !root)
		return code;
	cJSON_ArrayForEach(learned, cJSON_GetObjectItemCaseSensitive(root, "contexts"))
		print_learning(learned);
	cJSON_Delete(root);
	return HAK_EXIT_OK;
}
