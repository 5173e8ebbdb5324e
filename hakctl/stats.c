/* SPDX-License-Identifier: MIT */
/* hakctl stats [--json[=pretty|short]] [PID]: a line a process, or everything about one. */
#include <stdio.h>
#include <string.h>

#include "document.h"
#include "table.h"

static void add_bytes(struct hak_table *table, const cJSON *object, const char *name)
{
	char text[HAK_TABLE_NUMBER_CHARS];

	hak_table_bytes(hak_document_number(object, name), text);
	hak_table_add(table, cJSON_IsObject(object) ? text : "-");
}

static void add_rate(struct hak_table *table, const cJSON *rates, const char *name)
{
	const cJSON *rate = cJSON_GetObjectItemCaseSensitive(rates, name);

	if (cJSON_IsNumber(rate))
		hak_table_addf(table, "%.1f%%", rate->valuedouble * 100);
	else
		hak_table_add(table, "-");
}

static void add_row(struct hak_table *table, const cJSON *block)
{
	const cJSON *counters = cJSON_GetObjectItemCaseSensitive(block, "counters");
	const cJSON *gauges = cJSON_GetObjectItemCaseSensitive(block, "gauges");
	const cJSON *rates = cJSON_GetObjectItemCaseSensitive(block, "hit_rates");

	hak_table_add(table, hak_document_text(block, "mode"));
	add_bytes(table, cJSON_GetObjectItemCaseSensitive(block, "memory"), "resident_bytes");
	add_bytes(table, gauges, "live_bytes");
	add_bytes(table, gauges, "lazily_free_bytes");
	add_bytes(table, gauges, "held_bytes");
	add_bytes(table, gauges, "free_bytes");
	if (cJSON_IsObject(counters))
		hak_table_addf(table, "%.0f", hak_document_number(counters, "alloc_count"));
	else
		hak_table_add(table, "-");
	add_rate(table, rates, "bins");
	add_rate(table, rates, "bigcache");
	hak_table_add(table, hak_document_text(block, "comm"));
}

static void print_all(const cJSON *root)
{
	static const char *const heading[] = {"PID",    "MODE", "RSS",      "LIVE",    "LAZY", "HELD", "FREE",
					      "ALLOCS", "BINS", "BIGCACHE", "COMMAND", NULL};
	cJSON *processes = cJSON_GetObjectItemCaseSensitive(root, "processes");
	const cJSON *totals = cJSON_GetObjectItemCaseSensitive(root, "totals");
	struct hak_table table;
	const cJSON *process;

	hak_document_sort(processes);
	hak_table_init(&table, "rlrrrrrrrrl");
	hak_table_add_words(&table, heading);
	cJSON_ArrayForEach(process, processes)
	{
		if (hak_document_is(process, "redacted"))
			hak_table_add(&table, "-");
		else
			hak_table_addf(&table, "%.0f", hak_document_number(process, "pid"));
		add_row(&table, process);
	}
	hak_table_add(&table, "all");
	add_row(&table, totals);
	hak_table_print(&table);
	printf("\n%d live, %.0f ended since the state directory was made, %.0f forked children untracked\n",
	       cJSON_GetArraySize(processes), hak_document_number(totals, "ended_processes"),
	       hak_document_number(totals, "forks_untracked"));
	hak_table_deinit(&table);
}

/* What people read beside a number of bytes that needs more than a glance. */
static void add_readable(struct hak_table *table, const cJSON *item)
{
	char text[HAK_TABLE_NUMBER_CHARS];

	hak_table_bytes(item->valuedouble, text);
	hak_table_add(table, strstr(item->string, "bytes") && item->valuedouble >= 1000 ? text : " ");
}

static bool is_whole(const cJSON *number)
{
	return number->valuedouble == (double)(long long)number->valuedouble;
}

static void add_object(struct hak_table *table, const cJSON *object)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object)
	{
		if (strcmp(item->string, "finding") == 0)
			continue;
		hak_table_add(table, item->string);
		if (table->columns > 2)
			add_readable(table, item);
		if (cJSON_IsNumber(item))
			hak_table_addf(table, "%.*f", is_whole(item) ? 0 : 3, item->valuedouble);
		else if (cJSON_IsBool(item))
			hak_table_add(table, cJSON_IsTrue(item) ? "yes" : "no");
		else
			hak_table_add(table, cJSON_GetStringValue(item));
	}
}

/* Words stand to the left, numbers to the right with their bytes as people read them. */
static void print_part(const cJSON *part, const char *name)
{
	const char *finding = hak_document_text(part, "finding");
	struct hak_table table;

	printf("\n%s%s%s\n", hak_style_begin(HAK_STYLE_HEADING), name, hak_style_end(HAK_STYLE_HEADING));
	if (strcmp(finding, "-") != 0) {
		printf("finding: ");
		hak_text_wrap(finding, strlen("finding: "));
	}
	hak_table_init(&table, strcmp(name, "policy") == 0 ? "ll" : "lrr");
	add_object(&table, part);
	hak_table_print(&table);
	hak_table_deinit(&table);
}

static void print_one(const cJSON *process)
{
	static const char *const parts[] = {"policy", "memory", "gauges", "counters"};

	printf("process  %.0f (%s), slot %.0f\n", hak_document_number(process, "pid"),
	       hak_document_text(process, "comm"), hak_document_number(process, "slot"));
	printf("program  %s\nunit     %s\ncontext  %s\n", hak_document_text(process, "exe"),
	       hak_document_text(process, "unit"), hak_document_text(process, "context"));
	printf("mode     %s (%s)\n", hak_document_text(process, "mode"),
	       hak_document_text(process, "mode_source"));
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		const cJSON *part = cJSON_GetObjectItemCaseSensitive(process, parts[i]);

		if (cJSON_IsObject(part))
			print_part(part, parts[i]);
	}
}

int hak_verb_stats(struct hak_ctl *ctl)
{
	const cJSON *process;
	char target[HAK_DOCUMENT_TARGET_CHARS];
	cJSON *root;
	int code;

	code = hak_document_target(ctl, target);
	if (code)
		return code;
	ctl->brief = !ctl->argc && !ctl->json;
	code = hak_document_get(ctl, "DumpStats", target, false, &root);
	if (code || !root)
		return code;
	if (!ctl->argc) {
		print_all(root);
	} else {
		cJSON_ArrayForEach(process, cJSON_GetObjectItemCaseSensitive(root, "processes"))
		{
			print_one(process);
		}
	}
	cJSON_Delete(root);
	return HAK_EXIT_OK;
}
