/* SPDX-License-Identifier: MIT */
/* See metrics_units.h. */
#include "metrics_units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "policy.h"

enum { STRATEGIES = 256 };

struct unit {
	const char *name; /* "none": processes of no unit, and of users that we may not look at */
	double sum[9];    /* by the order of unit_metrics */
	double processes, pinned;
	double in_mode[HAK_MODE_COUNT];
	double with_strategy[STRATEGIES];
};

enum { ALLOCATED, ACTIVE, PINNED, RESIDENT, LAZY, HELD, ALLOCATIONS, PURGES, FAULTS };

static const struct hak_metric unit_metrics[] = {
	[ALLOCATED] = {"hakmem_unit_allocated_bytes", HAK_METRIC_GAUGE, "bytes",
		       "Usable bytes of the blocks that programs hold."},
	[ACTIVE] = {"hakmem_unit_active_bytes", HAK_METRIC_GAUGE, "bytes",
		    "Slabs and runs in which something lives."},
	[PINNED] = {"hakmem_unit_pinned_bytes", HAK_METRIC_GAUGE, "bytes",
		    "Of them free, and kept from going back by blocks that live: fragmentation."},
	[RESIDENT] = {"hakmem_unit_resident_bytes", HAK_METRIC_GAUGE, "bytes",
		      "Resident memory of the processes, as the kernel counts it."},
	[LAZY] = {"hakmem_unit_lazily_free_bytes", HAK_METRIC_GAUGE, "bytes",
		  "Given back by MADV_FREE and counted as resident until the kernel or the helper takes it."},
	[HELD] = {"hakmem_unit_held_bytes", HAK_METRIC_GAUGE, "bytes",
		  "Free blocks kept ready in bins and caches."},
	[ALLOCATIONS] = {"hakmem_unit_allocations", HAK_METRIC_COUNTER, NULL,
			 "Allocations, of ended processes as well."},
	[PURGES] = {"hakmem_unit_purges", HAK_METRIC_COUNTER, NULL,
		    "Purges of free memory, of ended processes as well."},
	[FAULTS] = {"hakmem_unit_faults", HAK_METRIC_COUNTER, NULL,
		    "Page faults, of ended processes as well."},
};
enum { UNIT_METRICS = sizeof(unit_metrics) / sizeof(*unit_metrics) };

struct units {
	struct unit *unit; /* owned */
	size_t count;
};

static struct unit *find_unit(struct units *units, const char *name)
{
	if (strcmp(name, "-") == 0)
		name = "none";
	for (size_t i = 0; i < units->count; i++)
		if (strcmp(units->unit[i].name, name) == 0)
			return &units->unit[i];
	units->unit[units->count] = (struct unit){.name = name};
	return &units->unit[units->count++];
}

static void add_row(struct units *units, const struct hak_row *row)
{
	struct unit *unit = find_unit(units, row->unit);
	const double of_row[UNIT_METRICS] = {
		[ALLOCATED] = row->live_bytes,    [ACTIVE] = row->active_bytes, [PINNED] = row->stuck_bytes,
		[RESIDENT] = row->resident_bytes, [LAZY] = row->lazy_bytes,     [HELD] = row->held_bytes,
		[ALLOCATIONS] = row->alloc_count, [PURGES] = row->purges,       [FAULTS] = row->faults,
	};
	enum hak_mode mode;

	for (size_t i = 0; i < UNIT_METRICS; i++)
		unit->sum[i] += of_row[i];
	unit->processes++;
	unit->pinned += row->pinned;
	unit->with_strategy[row->strategy % STRATEGIES]++;
	if (hak_mode_parse(row->mode, &mode) == 0)
		unit->in_mode[mode]++;
}

/* Its ended processes have done that, too: counters do not fall when one ends. */
static void add_ended(struct units *units, const cJSON *ended)
{
	struct unit *unit = find_unit(units, hak_document_text(ended, "unit"));

	unit->sum[ALLOCATIONS] += hak_document_number(ended, "alloc_count");
	unit->sum[PURGES] += hak_document_number(ended, "purge_runs");
	unit->sum[FAULTS] += hak_document_number(ended, "faults");
}

/* Of units that have processes. */
static void print_gauge(struct hak_metrics_text *text, const struct units *units,
			const struct hak_metric *metric, double (*value)(const struct unit *unit))
{
	hak_metrics_family(text, metric);
	for (const struct unit *one = units->unit; one < units->unit + units->count; one++)
		if (one->processes)
			hak_metrics_sample(text, (const char *[]){"unit", one->name, NULL}, value(one));
}

static double processes_of(const struct unit *unit)
{
	return unit->processes;
}

static double pinned_of(const struct unit *unit)
{
	return unit->pinned;
}

static void print_sums(struct hak_metrics_text *text, const struct units *units)
{
	for (size_t i = 0; i < UNIT_METRICS; i++) {
		hak_metrics_family(text, &unit_metrics[i]);
		for (const struct unit *one = units->unit; one < units->unit + units->count; one++)
			if (one->processes || unit_metrics[i].kind == HAK_METRIC_COUNTER)
				hak_metrics_sample(text, (const char *[]){"unit", one->name, NULL},
						   one->sum[i]);
	}
}

static void print_modes(struct hak_metrics_text *text, const struct units *units)
{
	static const struct hak_metric modes = {"hakmem_unit_mode_processes", HAK_METRIC_GAUGE, NULL,
						"Processes that run in a mode."};

	hak_metrics_family(text, &modes);
	for (const struct unit *one = units->unit; one < units->unit + units->count; one++)
		for (int mode = 0; one->processes && mode < HAK_MODE_COUNT; mode++)
			hak_metrics_sample(text,
					   (const char *[]){"unit", one->name, "mode",
							    hak_mode_name((enum hak_mode)mode), NULL},
					   one->in_mode[mode]);
}

static void print_strategies(struct hak_metrics_text *text, const struct units *units)
{
	static const struct hak_metric strategies = {"hakmem_unit_strategy_processes", HAK_METRIC_GAUGE, NULL,
						     "Processes that run a strategy, by its number."};
	char number[16];

	hak_metrics_family(text, &strategies);
	for (const struct unit *one = units->unit; one < units->unit + units->count; one++)
		for (int strategy = 0; strategy < STRATEGIES; strategy++) {
			if (!one->with_strategy[strategy])
				continue;
			snprintf(number, sizeof(number), "%d", strategy);
			hak_metrics_sample(text,
					   (const char *[]){"unit", one->name, "strategy", number, NULL},
					   one->with_strategy[strategy]);
		}
}

int hak_metrics_units(struct hak_metrics_text *text, const struct hak_rows *rows, const cJSON *ended_units)
{
	static const struct hak_metric processes = {"hakmem_unit_processes", HAK_METRIC_GAUGE, NULL,
						    "Processes under hakmem."};
	static const struct hak_metric pinned = {"hakmem_unit_pinned_processes", HAK_METRIC_GAUGE, NULL,
						 "Processes whose environment fixes their mode."};
	size_t room = rows->count + (size_t)cJSON_GetArraySize(ended_units) + 1;
	struct units units = {.unit = calloc(room, sizeof(*units.unit))};
	const cJSON *ended;

	if (!units.unit)
		return -ENOMEM;
	for (size_t i = 0; i < rows->count; i++)
		add_row(&units, &rows->row[i]);
	cJSON_ArrayForEach(ended, ended_units)
	{
		add_ended(&units, ended);
	}
	print_sums(text, &units);
	print_gauge(text, &units, &processes, processes_of);
	print_gauge(text, &units, &pinned, pinned_of);
	print_modes(text, &units);
	print_strategies(text, &units);
	free(units.unit);
	return 0;
}
