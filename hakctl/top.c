/* SPDX-License-Identifier: MIT */
/* See top.h. */
#include "top.h"

#include <errno.h>
#include <stdlib.h>

/* qsort() has no argument for these. One thread. */
static const struct hak_top *sorting;

static int compare_pids(const void *left, const void *right)
{
	uint64_t one = ((const struct hak_top_seen *)left)->pid,
		 other = ((const struct hak_top_seen *)right)->pid;

	return one < other ? -1 : one > other;
}

static double key(size_t row)
{
	switch (sorting->order) {
	case HAK_TOP_LAZY:
		return sorting->rows.row[row].lazy_bytes;
	case HAK_TOP_RATE:
		return sorting->rate[row];
	default:
		return sorting->rows.row[row].resident_bytes;
	}
}

/* Largest first; equals by pid, so that they stay where they are. */
static int compare_rows(const void *left, const void *right)
{
	size_t one = *(const size_t *)left, other = *(const size_t *)right;

	if (key(one) != key(other))
		return key(one) > key(other) ? -1 : 1;
	return sorting->rows.row[one].pid < sorting->rows.row[other].pid ? -1 : 1;
}

void hak_top_sort(struct hak_top *top)
{
	size_t *order = calloc(top->rows.count + 1, sizeof(*order));
	struct hak_row *row = calloc(top->rows.count + 1, sizeof(*row));
	double *rate = calloc(top->rows.count + 1, sizeof(*rate));

	if (!order || !row || !rate) { /* unsorted is better than none */
		free(order);
		free(row);
		free(rate);
		return;
	}
	for (size_t i = 0; i < top->rows.count; i++)
		order[i] = i;
	sorting = top;
	qsort(order, top->rows.count, sizeof(*order), compare_rows);
	for (size_t i = 0; i < top->rows.count; i++) {
		row[i] = top->rows.row[order[i]];
		rate[i] = top->rate[order[i]];
	}
	free(order);
	free(top->rows.row);
	free(top->rate);
	top->rows.row = row;
	top->rate = rate;
}

static double rate_of(const struct hak_top *top, const struct hak_row *row, double seconds)
{
	const struct hak_top_seen wanted = {.pid = row->pid};
	const struct hak_top_seen *seen = top->seen && row->pid ? bsearch(&wanted, top->seen, top->seen_count,
									  sizeof(wanted), compare_pids)
								: NULL;

	if (!seen || seconds <= top->seen_seconds || row->alloc_bytes < seen->alloc_bytes)
		return -1;
	return (row->alloc_bytes - seen->alloc_bytes) / (seconds - top->seen_seconds);
}

int hak_top_update(struct hak_top *top, cJSON *document, double seconds)
{
	struct hak_top_seen *seen;
	struct hak_rows rows;
	double *rate;

	if (hak_rows_init(&rows, document) < 0) {
		cJSON_Delete(document);
		return -ENOMEM;
	}
	rate = calloc(rows.count + 1, sizeof(*rate));
	seen = calloc(rows.count + 1, sizeof(*seen));
	if (!rate || !seen) {
		free(rate);
		free(seen);
		hak_rows_deinit(&rows);
		cJSON_Delete(document);
		return -ENOMEM;
	}
	for (size_t i = 0; i < rows.count; i++) {
		rate[i] = rate_of(top, &rows.row[i], seconds);
		seen[i] = (struct hak_top_seen){rows.row[i].pid, rows.row[i].alloc_bytes};
	}
	qsort(seen, rows.count, sizeof(*seen), compare_pids);
	free(top->seen);
	free(top->rate);
	hak_rows_deinit(&top->rows);
	cJSON_Delete(top->document);
	top->document = document;
	top->rows = rows;
	top->rate = rate;
	top->seen = seen;
	top->seen_count = rows.count;
	top->seen_seconds = seconds;
	hak_top_sort(top);
	return 0;
}

size_t hak_top_selected(const struct hak_top *top)
{
	for (size_t i = 0; i < top->rows.count; i++)
		if (top->rows.row[i].pid == top->selected)
			return i;
	return 0;
}

void hak_top_deinit(struct hak_top *top)
{
	free(top->seen);
	free(top->rate);
	hak_rows_deinit(&top->rows);
	cJSON_Delete(top->document);
}
