/* SPDX-License-Identifier: MIT */
/*
 * hakctl metrics: for each unit and for the machine, in a format that Prometheus reads. Where hakmemd does
 * not run there is still hakmem_up 0, and the exit code HAK_EXIT_NO_DAEMON.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call.h"
#include "document.h"
#include "metrics_learning.h"
#include "metrics_text.h"
#include "metrics_units.h"
#include "preloads.h"
#include "rows.h"

/* ---- the machine ------------------------------------------------------------------------------------- */

static const struct hak_metric up = {"hakmem_up", HAK_METRIC_GAUGE, NULL, "1 where hakmemd answers."};

static bool is_true(const cJSON *object, const char *name)
{
	return hak_document_is(object, name);
}

static void print_daemon(struct hak_metrics_text *text, const cJSON *daemon)
{
	static const struct hak_metric modes = {"hakmem_mode", HAK_METRIC_GAUGE, NULL,
						"1 for the global mode that is in force."};
	static const struct {
		struct hak_metric metric;
		const char *name; /* in "daemon"; a bool counts 1 */
	} numbers[] = {
		{{"hakmem_panicked", HAK_METRIC_GAUGE, NULL, "1 while the kill switch is on."}, "panicked"},
		{{"hakmem_serial", HAK_METRIC_COUNTER, NULL, "Policies published."}, "serial"},
		{{"hakmem_processes", HAK_METRIC_GAUGE, NULL, "Processes under hakmem."}, "processes"},
		{{"hakmem_telemetry_refused", HAK_METRIC_COUNTER, NULL,
		  "Telemetry files removed: no telemetry, or more than their user may have."},
		 "telemetry_refused"},
	};

	hak_metrics_family(text, &modes);
	for (int i = 0; i < HAK_MODE_COUNT; i++) {
		const char *name = hak_mode_name((enum hak_mode)i);

		hak_metrics_sample(text, (const char *[]){"mode", name, NULL},
				   strcmp(name, hak_document_text(daemon, "mode")) == 0);
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		hak_metrics_single(
			text, &numbers[i].metric,
			is_true(daemon, numbers[i].name) ? 1 : hak_document_number(daemon, numbers[i].name));
}

static void print_reclaim(struct hak_metrics_text *text, const cJSON *reclaim)
{
	static const struct hak_metric helper = {"hakmem_helper_up", HAK_METRIC_GAUGE, NULL,
						 "1 where hakmem-helper is there, and answers."};
	static const struct hak_metric taken = {"hakmem_reclaimed_bytes", HAK_METRIC_COUNTER, "bytes",
						"Lazily free memory taken out of processes from outside."};
	static const struct hak_metric refused = {
		"hakmem_purges_refused", HAK_METRIC_COUNTER, NULL,
		"Ranges that the helper refused to take, and requests to it that failed."};

	hak_metrics_single(text, &helper, is_true(reclaim, "helper"));
	hak_metrics_single(text, &taken, hak_document_number(reclaim, "taken_bytes"));
	hak_metrics_single(text, &refused,
			   hak_document_number(reclaim, "refused_ranges") +
				   hak_document_number(reclaim, "failed"));
}

static void print_totals(struct hak_metrics_text *text, const cJSON *totals)
{
	static const struct {
		struct hak_metric metric;
		const char *name; /* in "counters" */
	} counters[] = {
		{{"hakmem_allocations", HAK_METRIC_COUNTER, NULL, "Allocations, of ended processes as well."},
		 "alloc_count"},
		{{"hakmem_allocated_bytes", HAK_METRIC_COUNTER, "bytes", "Usable bytes of them."},
		 "alloc_bytes"},
		{{"hakmem_failed_allocations", HAK_METRIC_COUNTER, NULL, "Allocations that failed."},
		 "alloc_failed"},
		{{"hakmem_purges", HAK_METRIC_COUNTER, NULL, "Purges of free memory."}, "purge_runs"},
	};
	static const struct hak_metric untracked = {"hakmem_forks_untracked", HAK_METRIC_COUNTER, NULL,
						    "Forked children that found no slot for telemetry."};
	const cJSON *block = cJSON_GetObjectItemCaseSensitive(totals, "counters");

	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		hak_metrics_single(text, &counters[i].metric, hak_document_number(block, counters[i].name));
	hak_metrics_single(text, &untracked, hak_document_number(totals, "forks_untracked"));
}

/* Processes that have the library and are not known to hakmemd. */
struct strangers {
	struct hak_pids known; /* to it; owned */
	double unregistered, stale;
};

static bool on_preload(void *data, uint64_t pid, enum hak_preload preload)
{
	struct strangers *strangers = data;

	strangers->stale += preload == HAK_PRELOAD_STALE;
	strangers->unregistered += !hak_pids_have(&strangers->known, pid);
	return true;
}

static int print_preloads(struct hak_metrics_text *text, const struct hak_rows *rows)
{
	static const struct hak_metric unregistered = {
		"hakmem_unregistered_preloads", HAK_METRIC_GAUGE, NULL,
		"Processes that have libhakmem and that hakmemd does not know."};
	static const struct hak_metric stale = {"hakmem_stale_preloads", HAK_METRIC_GAUGE, NULL,
						"Processes that run a library which was replaced since."};
	static const struct hak_metric pinned = {
		"hakmem_pinned_ratio", HAK_METRIC_GAUGE, "ratio",
		"Share of the processes whose environment fixes their mode."};
	struct strangers strangers = {
		.known = {.pid = calloc(rows->count + 1, sizeof(uint64_t)), .count = rows->count}};
	double count = 0;

	if (!strangers.known.pid)
		return -ENOMEM;
	for (size_t i = 0; i < rows->count; i++) {
		strangers.known.pid[i] = rows->row[i].pid;
		count += rows->row[i].pinned;
	}
	hak_pids_sort(&strangers.known);
	(void)hak_preloads_each(on_preload, &strangers);
	free(strangers.known.pid);
	hak_metrics_single(text, &unregistered, strangers.unregistered);
	hak_metrics_single(text, &stale, strangers.stale);
	hak_metrics_single(text, &pinned, rows->count ? count / (double)rows->count : 0);
	return 0;
}

/* ---- all of it --------------------------------------------------------------------------------------- */

static int print_all(struct hak_metrics_text *text, const cJSON *root)
{
	const cJSON *daemon = cJSON_GetObjectItemCaseSensitive(root, "daemon");
	struct hak_rows rows = {.row = NULL};
	int r = hak_rows_init(&rows, root);

	if (r == 0) {
		print_daemon(text, daemon);
		print_reclaim(text, cJSON_GetObjectItemCaseSensitive(daemon, "reclaim"));
		print_totals(text, cJSON_GetObjectItemCaseSensitive(root, "totals"));
		r = hak_metrics_units(text, &rows, cJSON_GetObjectItemCaseSensitive(root, "ended_units"));
	}
	if (r == 0)
		r = print_preloads(text, &rows);
	hak_rows_deinit(&rows);
	return r;
}

/* The file is there whole, or as it was. */
static int write_all(struct hak_ctl *ctl, const cJSON *root, const cJSON *ratings)
{
	struct hak_metrics_text text = {.file = stdout, .prometheus = ctl->prometheus};
	char temporary[4096];
	int r = 0;

	if (ctl->output) {
		snprintf(temporary, sizeof(temporary), "%s.%ld", ctl->output, (long)getpid());
		text.file = fopen(temporary, "we");
		if (!text.file)
			return hak_ctl_fail(HAK_EXIT_FAILED, "cannot write '%s': %s", ctl->output,
					    strerror(errno));
	}
	hak_metrics_single(&text, &up, root != NULL);
	if (root)
		r = print_all(&text, root);
	if (ratings)
		hak_metrics_learning(&text, ratings);
	hak_metrics_end(&text);
	if (!ctl->output)
		return r < 0 ? hak_ctl_fail(HAK_EXIT_FAILED, "out of memory") : 0;
	if (ferror(text.file) && r == 0)
		r = -EIO;
	if (fclose(text.file) != 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, ctl->output) < 0)
		r = -errno;
	if (r == 0)
		return 0;
	(void)unlink(temporary); /* what failed is told */
	return hak_ctl_fail(HAK_EXIT_FAILED, "cannot write '%s': %s", ctl->output, strerror(-r));
}

/* NULL where hakmemd has none to tell: one of another version. */
static cJSON *ask_ratings(struct hak_ctl *ctl)
{
	char why[256], *text = NULL;
	cJSON *ratings = NULL;

	hak_ctl_catch(why, sizeof(why));
	if (hak_call_document(ctl, "DumpRatings", NULL, &text) == 0)
		ratings = hak_document_parse(text);
	hak_ctl_catch(NULL, 0);
	free(text);
	return ratings;
}

int hak_verb_metrics(struct hak_ctl *ctl)
{
	cJSON *root = NULL, *ratings = NULL;
	int code, written;

	ctl->no_pager = true;
	ctl->brief = true;
	code = hak_document_get(ctl, "DumpStats", NULL, true, &root);
	if (code && code != HAK_EXIT_NO_DAEMON)
		return code;
	if (code == 0)
		ratings = ask_ratings(ctl);
	written = write_all(ctl, root, ratings);
	cJSON_Delete(ratings);
	cJSON_Delete(root);
	return written ? written : code;
}
