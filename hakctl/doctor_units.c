/* SPDX-License-Identifier: MIT */
/* Units that something should be known of: those that are stale after an upgrade, and those that run
 * preloaded without being shown. See doctor.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "document.h"
#include "preloads.h"

enum { UNITS = 64, UNIT_CHARS = 256 };

/* Units, and how many of their processes are meant. */
struct units {
	char name[UNITS][UNIT_CHARS];
	unsigned processes[UNITS];
	size_t count;
};

struct search {
	struct units stale, unknown;
	struct hak_pids known; /* to hakmemd; owned */
	bool has_daemon;
};

/* The last part of its cgroup that is a unit; its pid where there is none. */
static void name_unit(uint64_t pid, char ret_unit[UNIT_CHARS])
{
	char path[64], line[4096] = "", *slash;

	snprintf(ret_unit, UNIT_CHARS, "pid %llu", (unsigned long long)pid);
	snprintf(path, sizeof(path), "/proc/%llu/cgroup", (unsigned long long)pid);
	if (!hak_doctor_read_line(path, line, sizeof(line)))
		return;
	while ((slash = strrchr(line, '/'))) {
		if (strstr(slash, ".service") || strstr(slash, ".scope")) {
			snprintf(ret_unit, UNIT_CHARS, "%.*s", UNIT_CHARS - 1, slash + 1);
			return;
		}
		*slash = '\0';
	}
}

static void count(struct units *units, const char *name)
{
	size_t i = 0;

	while (i < units->count && strcmp(units->name[i], name) != 0)
		i++;
	if (i == UNITS)
		return;
	if (i == units->count)
		snprintf(units->name[units->count++], UNIT_CHARS, "%s", name);
	units->processes[i]++;
}

static bool on_preload(void *data, uint64_t pid, enum hak_preload preload)
{
	struct search *search = data;
	bool unknown = search->has_daemon && !hak_pids_have(&search->known, pid);
	char unit[UNIT_CHARS];

	if (preload != HAK_PRELOAD_STALE && !unknown)
		return true;
	name_unit(pid, unit);
	if (preload == HAK_PRELOAD_STALE)
		count(&search->stale, unit);
	if (unknown)
		count(&search->unknown, unit);
	return true;
}

static void take_known(struct search *search, const cJSON *document)
{
	const cJSON *processes = cJSON_GetObjectItemCaseSensitive(document, "processes"), *process;

	search->known.pid = calloc((size_t)cJSON_GetArraySize(processes) + 1, sizeof(uint64_t));
	if (!search->known.pid)
		hak_ctl_out_of_memory();
	cJSON_ArrayForEach(process, processes)
	{
		search->known.pid[search->known.count++] = (uint64_t)hak_document_number(process, "pid");
	}
	hak_pids_sort(&search->known);
}

static void tell_unknown(struct hak_checks *checks, const struct units *units)
{
	char *names = NULL;
	size_t length = 0;
	FILE *file = open_memstream(&names, &length);

	for (size_t i = 0; file && i < units->count; i++)
		fprintf(file, units->processes[i] > 1 ? "%s%s (%u processes)" : "%s%s", i ? ", " : "",
			units->name[i], units->processes[i]);
	if (!file || fclose(file) == EOF)
		hak_ctl_out_of_memory();
	hak_checks_add(
		checks, "not shown", HAK_CHECK_NOTE,
		"to see them, restart them when it suits; 'hakctl doctor PID' tells more",
		"%s: preloaded, and started while hakmemd was stopped, or one child too many of a process, "
		"or of another hakmemd; but for the last they obey all the same",
		names);
	free(names);
}

void hak_doctor_units(struct hak_checks *checks, const cJSON *document)
{
	struct search search = {.has_daemon = document != NULL};
	const struct units *stale = &search.stale, *unknown = &search.unknown;
	size_t hidden;

	take_known(&search, document);
	hidden = hak_preloads_each(on_preload, &search);
	for (size_t i = 0; i < stale->count; i++)
		hak_checks_add(checks, "library of a unit", HAK_CHECK_NOTE,
			       "systemctl restart it when it suits; it works, and obeys, meanwhile",
			       "%s runs a libhakmem that was replaced since", stale->name[i]);
	if (!stale->count)
		hak_checks_add(checks, "library of units", HAK_CHECK_OK, "", "%s",
			       "the installed one, in all that run it");
	if (unknown->count)
		tell_unknown(checks, unknown);
	if (hidden && geteuid() != 0)
		hak_checks_add(checks, "other users", HAK_CHECK_NOTE, "run doctor as root",
			       "%zu processes could not be looked at", hidden);
	free(search.known.pid);
}
