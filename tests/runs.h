/* SPDX-License-Identifier: MIT */
/* Runs as the only thread of a process gets them: from the first arena. */
#ifndef HAK_TESTS_RUNS_H
#define HAK_TESTS_RUNS_H

#include "superslab.h"

static inline struct hak_slab *acquire_run(unsigned grains, unsigned align_grains)
{
	struct hak_arena_choice first = {0};

	return hak_superslab_acquire(&first, grains, align_grains, true);
}

#endif
