/* SPDX-License-Identifier: MIT */
/*
 * What the ended processes of each unit came to, so that a unit's counters never fall when one of its
 * processes ends. Of the units where none ended for longest the first is dropped when there are too many:
 * machines with a transient unit for each job have no end of them. Pure memory; tallies.c keeps it on disk.
 */
#ifndef HAK_TALLIES_UNITS_H
#define HAK_TALLIES_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "context.h"

enum { HAK_TALLIES_UNITS_MAX = 512 };

struct hak_tallies_unit {
	char name[HAK_CONTEXT_UNIT_CHARS + 1]; /* "": processes of no unit */
	uint64_t ended, allocations, purges, faults;
	uint64_t used; /* the larger the later a process of it ended */
};

struct hak_tallies_units {
	struct hak_tallies_unit *unit; /* owned */
	size_t count;
	uint64_t clock; /* of used */
};

/* Add @more's numbers to the unit of its name. Without memory for a new one they are lost. */
void hak_tallies_units_add(struct hak_tallies_units *units, const struct hak_tallies_unit *more);
void hak_tallies_units_deinit(struct hak_tallies_units *units);

#endif
