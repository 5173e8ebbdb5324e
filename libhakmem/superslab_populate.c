/* SPDX-License-Identifier: MIT */
/* Faulting in free grains ahead of the runs that will want them. See superslab.h. */
#include "os.h"
#include "superslab_private.h"

/* How many of @most grains from @start on are free and not resident. */
static unsigned absent_grains(const struct hak_superslab *superslab, unsigned start, unsigned most)
{
	unsigned end = (unsigned)hak_least(start + most, HAK_SUPERSLAB_GRAINS);

	if (start >= end)
		return 0;
	end = (unsigned)hak_least(end, hak_grainmap_next(superslab->used, start, true));
	end = (unsigned)hak_least(end, hak_grainmap_next(superslab->dirty, start, true));
	end = (unsigned)hak_least(end, hak_grainmap_next(superslab->lazy, start, true));
	return end - start;
}

void hak_superslab_populate_behind(const struct hak_slab *slab, size_t bytes)
{
	struct hak_superslab *superslab = hak_pagemap_owner(slab->base);
	char *behind = slab->base + ((size_t)slab->grains << HAK_GRAIN_SHIFT);
	unsigned start = (unsigned)((size_t)(behind - superslab->base) >> HAK_GRAIN_SHIFT), grains;
	bool present;

	hak_lock_acquire(&superslab->arena->lock);
	grains = absent_grains(superslab, start, (unsigned)(bytes >> HAK_GRAIN_SHIFT));
	if (grains) {
		/* Used as long as the lock is open for the system call: nobody takes them. */
		(void)hak_superslab_take(superslab, start, grains);
		hak_lock_release(&superslab->arena->lock);
		present = hak_os_populate(behind, (size_t)grains << HAK_GRAIN_SHIFT) == 0;
		hak_lock_acquire(&superslab->arena->lock);
		hak_superslab_give(superslab, start, grains, present ? grains : 0);
	}
	hak_lock_release(&superslab->arena->lock);
}
