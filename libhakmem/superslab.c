/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "ghost.h"
#include "knobs.h"
#include "os.h"
#include "superslab_private.h"

static struct hak_superslab *superslab_of(const struct hak_slab *slab)
{
	return hak_pagemap_owner(slab->base);
}

/* Its memory, and places in the tables. */
static struct hak_superslab *make_superslab(void)
{
	struct hak_superslab *superslab = hak_superslab_take_descriptor();
	void *memory;

	if (!superslab)
		return NULL;
	if (hak_pagemap_map(HAK_SUPERSLAB_BYTES, HAK_USE_SUPERSLAB, &memory) < 0) {
		hak_superslab_drop_descriptor(superslab);
		return NULL;
	}
	superslab->base = memory;
	if (hak_superslab_reach_fit(hak_superslab_unit(superslab)) < 0) {
		hak_pagemap_unmap(memory, HAK_SUPERSLAB_BYTES);
		hak_superslab_drop_descriptor(superslab);
		return NULL;
	}
	return superslab;
}

/* Map a superslab. Caller holds the lock; it is the one lock that may be held over this system call. */
static struct hak_superslab *map_superslab(void)
{
	struct hak_superslab *superslab = make_superslab();
	size_t unit;

	if (!superslab)
		return NULL;
	superslab->free_grains = HAK_SUPERSLAB_GRAINS;
	superslab->whole = false;
	memset(superslab->used, 0, sizeof(superslab->used));
	memset(superslab->dirty, 0, sizeof(superslab->dirty));
	memset(superslab->lazy, 0, sizeof(superslab->lazy));
	memset(superslab->purged, 0, sizeof(superslab->purged));
	memset(superslab->given, 0, sizeof(superslab->given));

	hak_superslab_begin_huge(superslab);
	hak_pagemap_set_owner(superslab->base, HAK_SUPERSLAB_BYTES, superslab);
	if (hak_superslabs.ghosts) {
		hak_superslabs.ghosts--;
		hak_hold_regret(&hak_superslabs.hold, HAK_SUPERSLAB_GRAINS);
	}
	hak_superslabs.count++;
	atomic_fetch_add_explicit(&hak_superslabs_mapped, 1, memory_order_relaxed);
	hak_superslabs.empty++;
	hak_superslabs.free_grains += HAK_SUPERSLAB_GRAINS;
	unit = hak_superslab_unit(superslab);
	if (unit >= hak_superslabs.end)
		hak_superslabs.end = unit + 1;
	hak_superslab_set_fit(unit, HAK_SUPERSLAB_GRAINS);
	hak_os_count(HAK_COUNTER_superslab_os, 1);
	return superslab;
}

/* Find room in this superslab, dirty grains first: what is resident already costs no fault. */
static int find_room(struct hak_superslab *superslab, unsigned grains, unsigned align)
{
	unsigned longest = 0;
	int start = hak_grainmap_find(superslab->used, superslab->dirty, grains, align, &longest);

	if (start < 0)
		hak_superslab_set_fit(hak_superslab_unit(superslab), longest);
	return start;
}

static struct hak_slab *make_run(struct hak_superslab *superslab, unsigned start, unsigned grains)
{
	struct hak_slab *slab = hak_superslab_take_slab(superslab);
	bool was_huge = superslab->whole && !hak_superslab_uses_huge(superslab);
	unsigned regretted = was_huge ? hak_grainmap_count(superslab->purged, start, grains) : 0;
	unsigned dirty = hak_superslab_take(superslab, start, grains);

	slab->base = superslab->base + ((size_t)start << HAK_GRAIN_SHIFT);
	slab->grains = (uint16_t)grains;
	slab->dirty = dirty != 0;
	slab->warm = dirty == grains;
	slab->regretted_grains = (uint16_t)regretted;
	superslab->run_slab[start] = (uint16_t)(slab - superslab->slab);
	return slab;
}

void hak_superslab_share_out(const struct hak_slab *slab)
{
	struct hak_superslab *superslab = superslab_of(slab);
	unsigned start = hak_superslab_first_grain(slab);

	for (unsigned grain = start + 1; grain < start + slab->grains; grain++)
		superslab->run_slab[grain] = superslab->run_slab[start];
}

static struct hak_slab *acquire_locked(unsigned grains, unsigned align, bool may_map)
{
	struct hak_superslab *superslab;
	size_t unit;
	int start;

	hak_superslabs.lowest = hak_superslab_next_fit(hak_superslabs.lowest, 1);
	unit = hak_knob(solo_slabs) ? hak_superslabs.end : hak_superslabs.lowest;
	while ((unit = hak_superslab_next_fit(unit, grains)) < hak_superslabs.end) {
		superslab = hak_superslab_at(unit++);
		start = find_room(superslab, grains, align);
		if (start < 0)
			continue;
		if (superslab->free_grains == HAK_SUPERSLAB_GRAINS)
			hak_os_count(HAK_COUNTER_superslab_cached, 1);
		return make_run(superslab, (unsigned)start, grains);
	}
	superslab = may_map ? map_superslab() : NULL;
	return superslab ? make_run(superslab, 0, grains) : NULL;
}

static struct hak_slab *acquire(unsigned grains, unsigned align_grains, bool may_map)
{
	struct hak_slab *slab;

	hak_lock_acquire(&hak_superslabs.lock);
	slab = acquire_locked(grains, align_grains, may_map);
	if (slab) {
		hak_hold_note(&hak_superslabs.hold, hak_superslab_used_grains());
		hak_ghost_used(HAK_GHOST_RUNS, (size_t)grains << HAK_GRAIN_SHIFT,
			       hak_superslab_used_grains() << HAK_GRAIN_SHIFT);
	}
	hak_lock_release(&hak_superslabs.lock);
	return slab;
}

struct hak_slab *hak_superslab_acquire(unsigned grains, unsigned align_grains)
{
	return acquire(grains, align_grains, true);
}

struct hak_slab *hak_superslab_acquire_mapped(unsigned grains, unsigned align_grains)
{
	return acquire(grains, align_grains, false);
}

void hak_superslab_release(struct hak_slab *slab, unsigned touched_grains)
{
	hak_lock_acquire(&hak_superslabs.lock);

	struct hak_superslab *superslab = superslab_of(slab);
	unsigned start = hak_superslab_first_grain(slab);

	if (touched_grains && superslab->whole)
		touched_grains = slab->grains;
	if (touched_grains && hak_knob(batch)) {
		hak_os_count(HAK_COUNTER_batch_ranges, 1);
		if ((start && hak_grainmap_has(superslab->dirty, start - 1)) ||
		    (start + slab->grains < HAK_SUPERSLAB_GRAINS &&
		     hak_grainmap_has(superslab->dirty, start + slab->grains)))
			hak_os_count(HAK_COUNTER_batch_merged, 1);
	}
	hak_superslab_give(superslab, start, slab->grains, touched_grains);
	hak_superslab_drop_slab(superslab, slab);
	superslab->freed_msec = hak_os_coarse_msec();
	hak_ghost_freed(HAK_GHOST_RUNS, (size_t)touched_grains << HAK_GRAIN_SHIFT,
			hak_superslab_used_grains() << HAK_GRAIN_SHIFT);
	/* One that holds nothing but address space is worth nothing either. */
	if (superslab->free_grains == HAK_SUPERSLAB_GRAINS && hak_superslabs.empty > HAK_SPARE_SUPERSLABS &&
	    hak_grainmap_next(superslab->dirty, 0, true) == HAK_SUPERSLAB_GRAINS &&
	    hak_grainmap_next(superslab->lazy, 0, true) == HAK_SUPERSLAB_GRAINS)
		hak_superslab_unmap(superslab);
	hak_superslab_note_freed();
	hak_lock_release(&hak_superslabs.lock);
}

bool hak_superslab_extend(struct hak_slab *slab, unsigned grains)
{
	bool extended = false;

	hak_lock_acquire(&hak_superslabs.lock);

	struct hak_superslab *superslab = superslab_of(slab);
	unsigned start = hak_superslab_first_grain(slab), end = start + slab->grains;

	if (start + grains <= HAK_SUPERSLAB_GRAINS &&
	    hak_grainmap_count(superslab->used, end, start + grains - end) == 0) {
		(void)hak_superslab_take(superslab, end, start + grains - end);
		slab->grains = (uint16_t)grains;
		extended = true;
	}
	hak_lock_release(&hak_superslabs.lock);
	return extended;
}

void hak_superslab_shorten(struct hak_slab *slab, unsigned grains)
{
	hak_lock_acquire(&hak_superslabs.lock);
	hak_superslab_give(superslab_of(slab), hak_superslab_first_grain(slab) + grains,
			   slab->grains - grains, slab->grains - grains);
	superslab_of(slab)->freed_msec = hak_os_coarse_msec();
	slab->grains = (uint16_t)grains;
	hak_superslab_note_freed();
	hak_lock_release(&hak_superslabs.lock);
}

struct hak_superslab_stats hak_superslab_stats(void)
{
	struct hak_superslab_stats stats;

	hak_lock_acquire(&hak_superslabs.lock);
	stats.mapped_bytes = hak_superslabs.count * HAK_SUPERSLAB_BYTES;
	stats.free_bytes = hak_superslabs.free_grains << HAK_GRAIN_SHIFT;
	stats.dirty_bytes = hak_superslabs.dirty_grains << HAK_GRAIN_SHIFT;
	stats.lazy_bytes = hak_superslabs.lazy_grains << HAK_GRAIN_SHIFT;
	stats.given_bytes = hak_superslabs.given_grains << HAK_GRAIN_SHIFT;
	stats.untouched_table_bytes = hak_superslabs.descriptors * sizeof(struct hak_superslab);
	stats.untouched_table_bytes = hak_less(stats.untouched_table_bytes, hak_superslabs.table_bytes);
	hak_lock_release(&hak_superslabs.lock);
	return stats;
}

void hak_superslab_fork_prepare(void)
{
	hak_lock_acquire(&hak_superslabs.lock);
	hak_lock_acquire(&hak_pagemap.lock);
}

void hak_superslab_fork_parent(void)
{
	hak_lock_release(&hak_pagemap.lock);
	hak_lock_release(&hak_superslabs.lock);
}

void hak_superslab_fork_child(void)
{
	hak_lock_reset(&hak_pagemap.lock);
	hak_lock_reset(&hak_superslabs.lock);
	hak_superslab_begin_touch();
}
