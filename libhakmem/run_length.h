/* SPDX-License-Identifier: MIT */
/*
 * Lengths of the runs of large blocks: any number of grains up to 16, then eight a doubling. Few lengths make
 * it likely that one which was just freed serves the next.
 */
#ifndef HAK_RUN_LENGTH_H
#define HAK_RUN_LENGTH_H

#include "geometry.h"

enum {
	HAK_RUN_MAX_GRAINS = HAK_RUN_MAX_BYTES >> HAK_GRAIN_SHIFT,
	HAK_RUN_LENGTHS = 48, /* hak_run_length_index(HAK_RUN_MAX_GRAINS) + 1 */
};
_Static_assert(HAK_RUN_MAX_GRAINS == 8 << 5, "shift 5, and 5 * 8 + 8 - 1 is the last index");

static inline unsigned hak_run_length_shift(unsigned grains)
{
	return 28u - (unsigned)__builtin_clz(grains | 8);
}

/* The shortest length that has @grains, of which there is at least one. */
static inline unsigned hak_run_length(unsigned grains)
{
	unsigned step = 1u << hak_run_length_shift(grains);

	return (grains + step - 1) & ~(step - 1);
}

/* Which length it is, of the shortest on from 0; for other numbers of grains, the longest below. */
static inline unsigned hak_run_length_index(unsigned grains)
{
	unsigned shift = hak_run_length_shift(grains);

	return shift * 8 + (grains >> shift) - 1;
}

#endif
