/* SPDX-License-Identifier: MIT */
/* See tallies_units.h. */
#include "tallies_units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct hak_tallies_unit *longest_unused(struct hak_tallies_units *units)
{
	struct hak_tallies_unit *oldest = units->unit;

	for (size_t i = 1; i < units->count; i++)
		if (units->unit[i].used < oldest->used)
			oldest = &units->unit[i];
	return oldest;
}

/* NULL without memory. */
static struct hak_tallies_unit *find(struct hak_tallies_units *units, const char *name)
{
	struct hak_tallies_unit *unit;

	for (size_t i = 0; i < units->count; i++)
		if (strcmp(units->unit[i].name, name) == 0)
			return &units->unit[i];
	if (units->count == HAK_TALLIES_UNITS_MAX) {
		unit = longest_unused(units);
	} else {
		unit = reallocarray(units->unit, units->count + 1, sizeof(*unit));
		if (!unit)
			return NULL;
		units->unit = unit;
		unit += units->count++;
	}
	*unit = (struct hak_tallies_unit){.ended = 0};
	(void)snprintf(unit->name, sizeof(unit->name), "%s", name); /* as long as its source */
	return unit;
}

void hak_tallies_units_add(struct hak_tallies_units *units, const struct hak_tallies_unit *more)
{
	struct hak_tallies_unit *unit = find(units, more->name);

	if (!unit)
		return;
	unit->ended += more->ended;
	unit->allocations += more->allocations;
	unit->purges += more->purges;
	unit->faults += more->faults;
	unit->used = ++units->clock;
}

void hak_tallies_units_deinit(struct hak_tallies_units *units)
{
	free(units->unit);
	*units = (struct hak_tallies_units){.unit = NULL};
}
