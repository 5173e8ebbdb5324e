/* SPDX-License-Identifier: MIT */
/* See rows.h. */
#include "rows.h"

#include <errno.h>
#include <stdlib.h>

#include "document.h"

static void fill(struct hak_row *row, const cJSON *process)
{
	const cJSON *gauges = cJSON_GetObjectItemCaseSensitive(process, "gauges");
	const cJSON *counters = cJSON_GetObjectItemCaseSensitive(process, "counters");
	const cJSON *memory = cJSON_GetObjectItemCaseSensitive(process, "memory");

	*row = (struct hak_row){
		.comm = hak_document_text(process, "comm"),
		.unit = hak_document_text(process, "unit"),
		.mode = hak_document_text(process, "mode"),
		.source = hak_document_text(process, "mode_source"),
		.pid = (uint64_t)hak_document_number(process, "pid"),
		.strategy = (uint32_t)hak_document_number(cJSON_GetObjectItemCaseSensitive(process, "policy"),
							  "strategy"),
		.up_to_date = hak_document_is(process, "up_to_date"),
		.pinned = hak_document_is_pinned(process),
		.known = cJSON_IsObject(gauges),
		.live_bytes = hak_document_number(gauges, "live_bytes"),
		.held_bytes = hak_document_number(gauges, "held_bytes"),
		.lazy_bytes = hak_document_number(gauges, "lazily_free_bytes"),
		.active_bytes = hak_document_number(memory, "active_bytes"),
		.stuck_bytes = hak_document_number(memory, "pinned_bytes"),
		.resident_bytes = hak_document_number(memory, "resident_bytes"),
		.alloc_count = hak_document_number(counters, "alloc_count"),
		.alloc_bytes = hak_document_number(counters, "alloc_bytes"),
		.purges = hak_document_number(counters, "purge_runs"),
		.faults = hak_document_number(process, "faults"),
	};
}

int hak_rows_init(struct hak_rows *rows, const cJSON *document)
{
	const cJSON *processes = cJSON_GetObjectItemCaseSensitive(document, "processes"), *process;

	*rows = (struct hak_rows){
		.row = calloc((size_t)cJSON_GetArraySize(processes) + 1, sizeof(*rows->row))};
	if (!rows->row)
		return -ENOMEM;
	cJSON_ArrayForEach(process, processes)
	{
		fill(&rows->row[rows->count++], process);
	}
	return 0;
}

void hak_rows_deinit(struct hak_rows *rows)
{
	free(rows->row);
	*rows = (struct hak_rows){.row = NULL};
}
