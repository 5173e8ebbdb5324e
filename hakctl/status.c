/* SPDX-License-Identifier: MIT */
/* hakctl status: what is in force, since when, and for whom. */
#include <stdio.h>

#include "document.h"
#include "table.h"

enum { LIST_MOST = 200 };

static const char *process_state(const cJSON *process)
{
	if (hak_document_is_pinned(process))
		return "pinned";
	if (hak_document_is(process, "up_to_date"))
		return hak_document_is(process, "verified") ? "ok" : "unverified";
	return "behind";
}

static void add_process(struct hak_table *table, const cJSON *process)
{
	const cJSON *gauges = cJSON_GetObjectItemCaseSensitive(process, "gauges");
	char bytes[HAK_TABLE_NUMBER_CHARS];

	if (hak_document_is(process, "redacted"))
		hak_table_add(table, "-");
	else
		hak_table_addf(table, "%.0f", hak_document_number(process, "pid"));
	hak_table_add(table, hak_document_text(process, "comm"));
	hak_table_add(table, hak_document_text(process, "mode"));
	hak_table_add(table, hak_document_text(process, "mode_source"));
	hak_table_add(table, process_state(process));
	hak_table_bytes(hak_document_number(gauges, "live_bytes"), bytes);
	hak_table_add(table, cJSON_IsObject(gauges) ? bytes : "-");
	hak_table_add(table, hak_document_text(process, "unit"));
}

/* @all: how many there are; hakmemd told of LIST_MOST. */
static void print_processes(const cJSON *processes, double all)
{
	static const char *const heading[] = {"PID",   "COMMAND", "MODE", "SOURCE",
					      "STATE", "LIVE",    "UNIT", NULL};
	int shown = cJSON_GetArraySize(processes);
	struct hak_table table;
	const cJSON *process;

	if (shown == 0)
		return;
	hak_table_init(&table, "rllllrl");
	hak_table_add_words(&table, heading);
	cJSON_ArrayForEach(process, processes)
	{
		add_process(&table, process);
	}
	putchar('\n');
	hak_table_print(&table);
	if (all > shown)
		printf("… and %.0f more; 'hakctl stats' lists all\n", all - shown);
	hak_table_deinit(&table);
}

/* What was set for some processes: by set-mode MODE TARGET, or over the bus. */
static void print_profile(const cJSON *profile)
{
	const cJSON *learning = cJSON_GetObjectItemCaseSensitive(profile, "learning");

	printf("for some    %s: mode %s%s\n", hak_document_text(profile, "target"),
	       hak_document_text(profile, "mode"),
	       cJSON_IsTrue(learning)    ? ", learning"
	       : cJSON_IsFalse(learning) ? ", no learning"
					 : "");
}

static void print_daemon(const cJSON *block)
{
	const cJSON *profile;
	const cJSON *fatal = cJSON_GetObjectItemCaseSensitive(block, "last_fatal");
	bool panicked = hak_document_is(block, "panicked");

	printf("hakmemd     %s, segment %s, serial %.0f\n", hak_document_text(block, "version"),
	       hak_document_text(block, "segment_state"), hak_document_number(block, "serial"));
	printf("mode        %s (%s)%s\n", hak_document_text(block, "mode"),
	       hak_document_text(block, "mode_source"),
	       panicked ? ": the kill switch is on; 'hakctl panic --off' takes it back" : "");
	printf("configured  %s\n", hak_document_text(block, "configured_mode"));
	cJSON_ArrayForEach(profile, cJSON_GetObjectItemCaseSensitive(block, "profiles"))
	{
		print_profile(profile);
	}
	printf("runtime     %s\n", hak_document_text(block, "runtime_dir"));
	printf("processes   %.0f\n", hak_document_number(block, "processes"));
	if (cJSON_IsObject(fatal))
		printf("last fatal  process %.0f (%s): %s\n", hak_document_number(fatal, "pid"),
		       hak_document_text(fatal, "program"), hak_document_text(fatal, "text"));
}

int hak_verb_status(struct hak_ctl *ctl)
{
	const cJSON *block;
	cJSON *root;
	int code;

	ctl->list_most = ctl->json ? 0 : LIST_MOST;
	ctl->brief = !ctl->json;
	code = hak_document_get(ctl, "DumpStats", NULL, false, &root);
	if (code || !root)
		return code;
	block = cJSON_GetObjectItemCaseSensitive(root, "daemon");
	print_daemon(block);
	hak_document_sort(cJSON_GetObjectItemCaseSensitive(root, "processes"));
	print_processes(cJSON_GetObjectItemCaseSensitive(root, "processes"),
			hak_document_number(block, "processes"));
	cJSON_Delete(root);
	return HAK_EXIT_OK;
}
