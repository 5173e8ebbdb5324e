/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "ghost.h"
#include "lazy.h"
#include "meta.h"
#include "os.h"
#include "policy.h"
#include "superslab_private.h"

enum {
	POPULATE_FROM_SUPERSLABS = 4, /* the descriptors of heaps of 8 MiB and more */
	POPULATE_SLABS = 48,          /* their first: as many runs as a superslab has, and some more */
	TRIM_FROM_GRAINS = HAK_SUPERSLAB_GRAINS * 3 / 4, /* free: worth the system calls */
	TRIM_AGAIN_GRAINS = 64,
};

struct hak_superslab_policy hak_superslab_policy = {
	.hold = true,
	.batch = true,
	.huge = HAK_THP_AUTO,
};

struct hak_superslabs hak_superslabs;

/* Most processes never need a second one. */
static struct hak_superslab first_superslab;
static bool first_used;

static struct hak_superslab *superslab_of(const struct hak_slab *slab)
{
	return hak_pagemap_unit(slab->base);
}

static void set_open(size_t unit, bool open)
{
	uint64_t bit = UINT64_C(1) << unit % 64;

	if (open) {
		hak_superslabs.open[unit / 64] |= bit;
		if (unit < hak_superslabs.lowest)
			hak_superslabs.lowest = unit;
	} else {
		hak_superslabs.open[unit / 64] &= ~bit;
	}
}

/* A part of a descriptor of which all will be written. */
static void populate_part(void *part, size_t bytes)
{
	size_t before = (uintptr_t)part & (hak_os_page_bytes() - 1);

	if (hak_superslabs.count >= POPULATE_FROM_SUPERSLABS)
		(void)hak_os_populate((char *)part - before, bytes + before);
}

static void set_table_bytes(struct hak_superslab *superslab, size_t bytes)
{
	hak_superslabs.table_bytes += bytes - superslab->table_bytes;
	superslab->table_bytes = (uint32_t)bytes;
}

static struct hak_superslab *take_descriptor(void)
{
	struct hak_superslab *superslab = hak_superslabs.spare;

	if (superslab) {
		hak_superslabs.spare = superslab->next_spare;
		return superslab;
	}
	if (!first_used) {
		first_used = true;
		return &first_superslab;
	}
	superslab = hak_meta_alloc(sizeof(*superslab));
	hak_superslabs.descriptors += superslab != NULL;
	return superslab;
}

/* The whole pages of a part of a descriptor become zero. */
static void drop_pages(void *part, size_t bytes)
{
	size_t page_bytes = hak_os_page_bytes();
	uintptr_t start = hak_round_up((uintptr_t)part, page_bytes);
	uintptr_t end = ((uintptr_t)part + bytes) & ~(page_bytes - 1);

	if (end > start)
		(void)hak_os_dontneed((void *)start, end - start); /* locked in memory: stays */
}

/* What says of no grain anything: nothing of it is read where no run is, and the bits are zero. */
static void drop_descriptor(struct hak_superslab *superslab)
{
	drop_pages(superslab->run_slab, sizeof(*superslab) - offsetof(struct hak_superslab, run_slab));
	set_table_bytes(superslab, 0);
	superslab->next_spare = hak_superslabs.spare;
	hak_superslabs.spare = superslab;
}

/* Of an array whose elements are in use where @map says so: the pages between. */
static void drop_unused(void *array, size_t element_bytes, const uint64_t *map, unsigned count)
{
	unsigned from = 0;

	while ((from = hak_grainmap_next(map, from, false)) < count) {
		unsigned end = hak_grainmap_next(map, from, true);

		drop_pages((char *)array + from * element_bytes, (end - from) * element_bytes);
		from = end;
	}
}

static bool is_far_used(const struct hak_superslab *superslab)
{
	return atomic_load_explicit(&superslab->far_used, memory_order_relaxed); /* once true it stays so */
}

void hak_superslab_trim_descriptor(struct hak_superslab *superslab)
{
	if (superslab->free_grains < (uint32_t)TRIM_FROM_GRAINS ||
	    superslab->free_grains < superslab->trimmed_grains + (uint32_t)TRIM_AGAIN_GRAINS)
		return;
	superslab->trimmed_grains = (uint16_t)superslab->free_grains;
	drop_unused(superslab->slab, sizeof(superslab->slab[0]), superslab->slab_used,
		    superslab->touched_slabs);
	if (is_far_used(superslab))
		drop_unused(superslab->far_bits, sizeof(superslab->far_bits[0]), superslab->used,
			    HAK_SUPERSLAB_GRAINS);
}

/* Map a superslab. Caller holds the lock; it is the one lock that may be held over this system call. */
static struct hak_superslab *map_superslab(void)
{
	struct hak_superslab *superslab = take_descriptor();
	void *memory;

	if (!superslab)
		return NULL;
	populate_part(superslab, offsetof(struct hak_superslab, slab[POPULATE_SLABS]));
	if (hak_pagemap_map(HAK_SUPERSLAB_BYTES, HAK_USE_SUPERSLAB, &memory) < 0) {
		superslab->next_spare = hak_superslabs.spare;
		hak_superslabs.spare = superslab;
		return NULL;
	}
	superslab->base = memory;
	superslab->free_grains = HAK_SUPERSLAB_GRAINS;
	superslab->trimmed_grains = 0;
	memset(superslab->used, 0, sizeof(superslab->used));
	memset(superslab->dirty, 0, sizeof(superslab->dirty));
	memset(superslab->lazy, 0, sizeof(superslab->lazy));
	memset(superslab->purged, 0, sizeof(superslab->purged));
	memset(superslab->given, 0, sizeof(superslab->given));
	memset(superslab->slab_used, 0, sizeof(superslab->slab_used));
	superslab->touched_slabs = 0;
	atomic_store_explicit(&superslab->far_used, false, memory_order_relaxed); /* nobody knows it yet */
	set_table_bytes(superslab, offsetof(struct hak_superslab, slab));

	hak_superslab_begin_huge(superslab);
	hak_pagemap_set_unit(memory, superslab);
	if (hak_superslabs.ghosts) {
		hak_superslabs.ghosts--;
		hak_hold_regret(&hak_superslabs.hold, HAK_SUPERSLAB_GRAINS);
	}
	hak_superslabs.count++;
	hak_superslabs.empty++;
	hak_superslabs.free_grains += HAK_SUPERSLAB_GRAINS;

	size_t unit = hak_superslab_unit(superslab);

	hak_superslabs.fit_grains[unit] = HAK_SUPERSLAB_GRAINS;
	if (unit >= hak_superslabs.end)
		hak_superslabs.end = unit + 1;
	set_open(unit, true);
	hak_os_count(HAK_COUNTER_superslab_os, 1);
	return superslab;
}

void hak_superslab_unmap(struct hak_superslab *superslab)
{
	if (hak_grainmap_next(superslab->lazy, 0, true) < HAK_SUPERSLAB_GRAINS)
		hak_lazy_take(superslab->base, HAK_SUPERSLAB_BYTES);
	set_open(hak_superslab_unit(superslab), false);
	hak_superslabs.ghosts += hak_grainmap_next(superslab->dirty, 0, true) < HAK_SUPERSLAB_GRAINS;
	hak_superslabs.count--;
	hak_superslabs.empty--;
	hak_superslabs.free_grains -= HAK_SUPERSLAB_GRAINS;
	hak_superslabs.dirty_grains -= hak_grainmap_count(superslab->dirty, 0, HAK_SUPERSLAB_GRAINS);
	hak_superslabs.lazy_grains -= hak_grainmap_count(superslab->lazy, 0, HAK_SUPERSLAB_GRAINS);
	hak_pagemap_set_unit(superslab->base, NULL);
	hak_pagemap_unmap(superslab->base, HAK_SUPERSLAB_BYTES);
	drop_descriptor(superslab);
	hak_os_count(HAK_COUNTER_superslab_released, 1);
}

/* Find room in this superslab, dirty grains first: what is resident already costs no fault. */
static int find_room(struct hak_superslab *superslab, unsigned grains, unsigned align)
{
	unsigned longest = 0;
	int start = hak_grainmap_find(superslab->used, superslab->dirty, grains, align, &longest);

	if (start < 0)
		hak_superslabs.fit_grains[hak_superslab_unit(superslab)] = (uint16_t)longest;
	return start;
}

unsigned hak_superslab_take(struct hak_superslab *superslab, unsigned start, unsigned grains)
{
	unsigned dirty = hak_grainmap_count(superslab->dirty, start, grains);
	unsigned lazy = hak_grainmap_count(superslab->lazy, start, grains);

	if (superslab->free_grains == HAK_SUPERSLAB_GRAINS)
		hak_superslabs.empty--;
	hak_hold_regret(&hak_superslabs.hold, lazy + hak_grainmap_count(superslab->purged, start, grains));
	hak_grainmap_set(superslab->purged, start, grains, false);
	if (lazy) {
		hak_grainmap_set(superslab->lazy, start, grains, false);
		hak_superslabs.lazy_grains -= lazy;
		hak_lazy_take(superslab->base + ((size_t)start << HAK_GRAIN_SHIFT),
			      (size_t)grains << HAK_GRAIN_SHIFT);
	}
	hak_grainmap_set(superslab->used, start, grains, true);
	hak_grainmap_set(superslab->dirty, start, grains, false);
	superslab->free_grains -= grains;
	hak_superslabs.free_grains -= grains;
	hak_superslabs.dirty_grains -= dirty;
	if (superslab->free_grains == 0)
		set_open(hak_superslab_unit(superslab), false);
	return dirty + lazy;
}

void hak_superslab_give(struct hak_superslab *superslab, unsigned start, unsigned grains, unsigned touched)
{
	uint16_t *fit_grains = &hak_superslabs.fit_grains[hak_superslab_unit(superslab)], gap;

	hak_grainmap_set(superslab->used, start, grains, false);
	gap = (uint16_t)hak_grainmap_gap(superslab->used, start);
	hak_grainmap_set(superslab->dirty, start, touched, true);
	superslab->free_grains += grains;
	if (*fit_grains < gap)
		*fit_grains = gap;
	hak_superslabs.free_grains += grains;
	hak_superslabs.dirty_grains += touched;
	set_open(hak_superslab_unit(superslab), true);
	if (superslab->free_grains == HAK_SUPERSLAB_GRAINS)
		hak_superslabs.empty++;
}

static struct hak_slab *make_run(struct hak_superslab *superslab, unsigned start, unsigned grains)
{
	unsigned number = hak_grainmap_next(superslab->slab_used, 0, false);
	unsigned dirty = hak_superslab_take(superslab, start, grains);
	struct hak_slab *slab = &superslab->slab[number];

	superslab->trimmed_grains = 0;
	hak_grainmap_set(superslab->slab_used, number, 1, true);
	if (number >= superslab->touched_slabs) {
		superslab->touched_slabs = (uint16_t)(number + 1);
		set_table_bytes(superslab, superslab->table_bytes + sizeof(*slab));
	}
	memset(slab, 0, offsetof(struct hak_slab, near_bits));
	slab->base = superslab->base + ((size_t)start << HAK_GRAIN_SHIFT);
	slab->grains = (uint16_t)grains;
	slab->dirty = dirty != 0;
	slab->warm = dirty == grains;
	for (unsigned i = 0; i < grains; i++)
		superslab->run_slab[start + i] = (uint16_t)number;
	return slab;
}

static struct hak_slab *acquire_locked(unsigned grains, unsigned align)
{
	struct hak_superslab *superslab;
	bool solo = atomic_load_explicit(&hak_superslab_policy.solo, memory_order_relaxed) != 0;
	size_t unit = hak_superslabs.lowest;
	bool lowest_known = true;

	for (; unit < hak_superslabs.end && !solo; unit++) {
		uint64_t word = hak_superslabs.open[unit / 64] >> unit % 64;

		if (!word) {
			unit |= 63;
			continue;
		}
		unit += (size_t)__builtin_ctzll(word);
		if (lowest_known)
			hak_superslabs.lowest = unit;
		lowest_known = false;
		if (hak_superslabs.fit_grains[unit] < grains)
			continue;
		superslab = hak_superslab_at(unit);

		int start = find_room(superslab, grains, align);

		if (start < 0)
			continue;
		if (superslab->free_grains == HAK_SUPERSLAB_GRAINS)
			hak_os_count(HAK_COUNTER_superslab_cached, 1);
		return make_run(superslab, (unsigned)start, grains);
	}
	superslab = map_superslab();
	return superslab ? make_run(superslab, 0, grains) : NULL;
}

struct hak_slab *hak_superslab_acquire(unsigned grains, unsigned align_grains)
{
	struct hak_slab *slab;

	hak_lock_acquire(&hak_superslabs.lock);
	slab = acquire_locked(grains, align_grains);
	hak_hold_note(&hak_superslabs.hold, hak_superslab_used_grains());
	hak_ghost_used(HAK_GHOST_RUNS, (size_t)grains << HAK_GRAIN_SHIFT,
		       hak_superslab_used_grains() << HAK_GRAIN_SHIFT);
	hak_lock_release(&hak_superslabs.lock);
	return slab;
}

uint64_t *hak_superslab_bits(struct hak_slab *slab, unsigned blocks)
{
	struct hak_superslab *superslab = superslab_of(slab);

	if (blocks <= HAK_NEAR_WORDS * 64)
		return slab->near_bits;
	if (!is_far_used(superslab)) {
		hak_lock_acquire(&hak_superslabs.lock);
		if (!is_far_used(superslab)) {
			atomic_store_explicit(&superslab->far_used, true, memory_order_relaxed);
			set_table_bytes(superslab, superslab->table_bytes + sizeof(superslab->far_bits));
			populate_part(superslab->far_bits, sizeof(superslab->far_bits));
		}
		hak_lock_release(&hak_superslabs.lock);
	}
	return superslab->far_bits[hak_superslab_first_grain(slab)];
}

bool hak_superslab_release(struct hak_slab *slab, unsigned touched_grains)
{
	bool purge_due;

	hak_lock_acquire(&hak_superslabs.lock);

	struct hak_superslab *superslab = superslab_of(slab);
	unsigned start = hak_superslab_first_grain(slab);

	if (touched_grains && hak_superslab_is_batching()) {
		hak_os_count(HAK_COUNTER_batch_ranges, 1);
		if ((start && hak_grainmap_has(superslab->dirty, start - 1)) ||
		    (start + slab->grains < HAK_SUPERSLAB_GRAINS &&
		     hak_grainmap_has(superslab->dirty, start + slab->grains)))
			hak_os_count(HAK_COUNTER_batch_merged, 1);
	}
	hak_superslab_give(superslab, start, slab->grains, touched_grains);
	hak_grainmap_set(superslab->slab_used, (unsigned)(slab - superslab->slab), 1, false);
	superslab->freed_msec = hak_os_coarse_msec();
	hak_ghost_freed(HAK_GHOST_RUNS, (size_t)touched_grains << HAK_GRAIN_SHIFT,
			hak_superslab_used_grains() << HAK_GRAIN_SHIFT);
	/* One that holds nothing but address space is worth nothing either. */
	if (superslab->free_grains == HAK_SUPERSLAB_GRAINS && hak_superslabs.empty > HAK_SPARE_SUPERSLABS &&
	    hak_grainmap_next(superslab->dirty, 0, true) == HAK_SUPERSLAB_GRAINS &&
	    hak_grainmap_next(superslab->lazy, 0, true) == HAK_SUPERSLAB_GRAINS)
		hak_superslab_unmap(superslab);
	purge_due = hak_superslab_is_purge_due();
	hak_lock_release(&hak_superslabs.lock);
	return purge_due;
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
		for (unsigned i = end; i < start + grains; i++)
			superslab->run_slab[i] = (uint16_t)(slab - superslab->slab);
		slab->grains = (uint16_t)grains;
		extended = true;
	}
	hak_lock_release(&hak_superslabs.lock);
	return extended;
}

bool hak_superslab_shorten(struct hak_slab *slab, unsigned grains)
{
	bool purge_due;

	hak_lock_acquire(&hak_superslabs.lock);
	hak_superslab_give(superslab_of(slab), hak_superslab_first_grain(slab) + grains,
			   slab->grains - grains, slab->grains - grains);
	superslab_of(slab)->freed_msec = hak_os_coarse_msec();
	slab->grains = (uint16_t)grains;
	purge_due = hak_superslab_is_purge_due();
	hak_lock_release(&hak_superslabs.lock);
	return purge_due;
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
	stats.untouched_table_bytes = hak_hold_less(stats.untouched_table_bytes, hak_superslabs.table_bytes);
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
}
