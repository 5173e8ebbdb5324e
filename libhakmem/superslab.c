/* SPDX-License-Identifier: MIT */
#include "superslab.h"

#include <string.h>

#include "hold.h"
#include "meta.h"
#include "os.h"
#include "policy.h"

enum {
	SPARE_SUPERSLABS = 2, /* wholly free ones that stay mapped */
	HUGE_FROM_SUPERSLABS = 4, /* THP auto: heaps of 8 MiB and more get huge pages */
};

#define OPEN_WORDS (HAK_WINDOW_UNITS / 64)

struct hak_superslab_policy hak_superslab_policy = {
	.base_bytes = (size_t)4 << 20,
	.hold = true,
	.batch = true,
	.huge = HAK_THP_AUTO,
};

static struct {
	struct hak_lock lock;
	struct hak_superslab *spare; /* descriptors without a mapping */
	size_t count;                /* superslabs that are mapped */
	size_t empty;                /* of them wholly free */
	size_t free_grains, dirty_grains;
	struct hak_hold hold; /* in grains */
	size_t ghosts;        /* superslabs that were unmapped: mapping one again is a regret, too */
	size_t lowest;        /* unit: no superslab below has a free grain */
	size_t end;           /* unit: no superslab at or above */
	uint64_t open[OPEN_WORDS]; /* units with a superslab that has free grains */
	uint16_t fit_grains[HAK_WINDOW_UNITS]; /* no run of free grains there is longer */
} slabs;

/* Most processes never need a second one. */
static struct hak_superslab first_superslab;
static bool first_used;

static size_t unit_of(const struct hak_superslab *superslab)
{
	return ((uintptr_t)superslab->base - hak_pagemap.base) >> HAK_SUPERSLAB_SHIFT;
}

static struct hak_superslab *superslab_of(const struct hak_slab *slab)
{
	return hak_pagemap_unit(slab->base);
}

static unsigned first_grain(const struct hak_slab *slab)
{
	return (unsigned)(((uintptr_t)slab->base & (HAK_SUPERSLAB_BYTES - 1)) >> HAK_GRAIN_SHIFT);
}

static void set_open(size_t unit, bool open)
{
	uint64_t bit = UINT64_C(1) << unit % 64;

	if (open) {
		slabs.open[unit / 64] |= bit;
		if (unit < slabs.lowest)
			slabs.lowest = unit;
	} else {
		slabs.open[unit / 64] &= ~bit;
	}
}

/* All of it will be written until the superslab is full. */
static void populate_descriptor(struct hak_superslab *superslab)
{
	size_t before = (uintptr_t)superslab & (hak_os_page_bytes() - 1);

	(void)hak_os_populate((char *)superslab - before, sizeof(*superslab) + before);
}

static struct hak_superslab *take_descriptor(void)
{
	struct hak_superslab *superslab = slabs.spare;

	if (superslab) {
		slabs.spare = superslab->next_spare;
		return superslab;
	}
	if (!first_used) {
		first_used = true;
		return &first_superslab;
	}
	superslab = hak_meta_alloc(sizeof(*superslab));
	if (superslab && slabs.count >= HUGE_FROM_SUPERSLABS)
		populate_descriptor(superslab);
	return superslab;
}

/* Map a superslab. Caller holds the lock; it is the one lock that may be held over this system call. */
static struct hak_superslab *map_superslab(void)
{
	struct hak_superslab *superslab = take_descriptor();
	void *memory;

	if (!superslab)
		return NULL;
	if (hak_pagemap_map(HAK_SUPERSLAB_BYTES, HAK_USE_SUPERSLAB, &memory) < 0) {
		superslab->next_spare = slabs.spare;
		slabs.spare = superslab;
		return NULL;
	}
	superslab->base = memory;
	superslab->free_grains = HAK_SUPERSLAB_GRAINS;
	memset(superslab->used, 0, sizeof(superslab->used));
	memset(superslab->dirty, 0, sizeof(superslab->dirty));
	memset(superslab->purged, 0, sizeof(superslab->purged));

	uint32_t thp = atomic_load_explicit(&hak_superslab_policy.huge, memory_order_relaxed);

	superslab->huge = thp == HAK_THP_ON || (thp == HAK_THP_AUTO && slabs.count >= HUGE_FROM_SUPERSLABS);
	/* Said either way: where the default is "always", a young superslab would cost 2 MiB at once. */
	hak_os_advise_huge(memory, HAK_SUPERSLAB_BYTES, superslab->huge);
	hak_pagemap_set_unit(memory, superslab);
	if (slabs.ghosts) {
		slabs.ghosts--;
		hak_hold_regret(&slabs.hold, HAK_SUPERSLAB_GRAINS);
	}
	slabs.count++;
	slabs.empty++;
	slabs.free_grains += HAK_SUPERSLAB_GRAINS;

	size_t unit = unit_of(superslab);

	slabs.fit_grains[unit] = HAK_SUPERSLAB_GRAINS;
	if (unit >= slabs.end)
		slabs.end = unit + 1;
	set_open(unit, true);
	hak_os_count(HAK_COUNTER_superslab_os, 1);
	return superslab;
}

static void unmap_superslab(struct hak_superslab *superslab)
{
	set_open(unit_of(superslab), false);
	slabs.ghosts += hak_grainmap_next(superslab->dirty, 0, true) < HAK_SUPERSLAB_GRAINS;
	slabs.count--;
	slabs.empty--;
	slabs.free_grains -= HAK_SUPERSLAB_GRAINS;
	slabs.dirty_grains -= hak_grainmap_count(superslab->dirty, 0, HAK_SUPERSLAB_GRAINS);
	hak_pagemap_set_unit(superslab->base, NULL);
	hak_pagemap_unmap(superslab->base, HAK_SUPERSLAB_BYTES);
	superslab->next_spare = slabs.spare;
	slabs.spare = superslab;
	hak_os_count(HAK_COUNTER_superslab_released, 1);
}

/* Find room in this superslab, dirty grains first: what is resident already costs no fault. */
static int find_room(struct hak_superslab *superslab, unsigned grains, unsigned align)
{
	unsigned longest = 0;
	int start = hak_grainmap_find(superslab->used, superslab->dirty, grains, align, &longest);

	if (start < 0)
		slabs.fit_grains[unit_of(superslab)] = (uint16_t)longest;
	return start;
}

/* Mark grains used. Return: how many of them were dirty. */
static unsigned take_grains(struct hak_superslab *superslab, unsigned start, unsigned grains)
{
	unsigned dirty = hak_grainmap_count(superslab->dirty, start, grains);

	if (superslab->free_grains == HAK_SUPERSLAB_GRAINS)
		slabs.empty--;
	hak_hold_regret(&slabs.hold, hak_grainmap_count(superslab->purged, start, grains));
	hak_grainmap_set(superslab->purged, start, grains, false);
	hak_grainmap_set(superslab->used, start, grains, true);
	hak_grainmap_set(superslab->dirty, start, grains, false);
	superslab->free_grains -= grains;
	slabs.free_grains -= grains;
	slabs.dirty_grains -= dirty;
	if (superslab->free_grains == 0)
		set_open(unit_of(superslab), false);
	return dirty;
}

static void give_grains(struct hak_superslab *superslab, unsigned start, unsigned grains, unsigned touched)
{
	uint16_t *fit_grains = &slabs.fit_grains[unit_of(superslab)], gap;

	hak_grainmap_set(superslab->used, start, grains, false);
	gap = (uint16_t)hak_grainmap_gap(superslab->used, start);
	hak_grainmap_set(superslab->dirty, start, touched, true);
	superslab->free_grains += grains;
	if (*fit_grains < gap)
		*fit_grains = gap;
	slabs.free_grains += grains;
	slabs.dirty_grains += touched;
	set_open(unit_of(superslab), true);
	if (superslab->free_grains == HAK_SUPERSLAB_GRAINS)
		slabs.empty++;
}

static struct hak_slab *make_run(struct hak_superslab *superslab, unsigned start, unsigned grains)
{
	struct hak_slab *slab = &superslab->slab[start];
	unsigned dirty = take_grains(superslab, start, grains);

	memset(slab, 0, sizeof(*slab));
	slab->base = superslab->base + ((size_t)start << HAK_GRAIN_SHIFT);
	slab->bits = superslab->bits[start];
	slab->grains = (uint16_t)grains;
	slab->dirty = dirty != 0;
	slab->warm = dirty == grains;
	for (unsigned i = 0; i < grains; i++)
		superslab->run_start[start + i] = (uint16_t)start;
	return slab;
}

static struct hak_slab *acquire_locked(unsigned grains, unsigned align)
{
	struct hak_superslab *superslab;
	bool solo = atomic_load_explicit(&hak_superslab_policy.solo, memory_order_relaxed) != 0;
	size_t unit = slabs.lowest;
	bool lowest_known = true;

	for (; unit < slabs.end && !solo; unit++) {
		uint64_t word = slabs.open[unit / 64] >> unit % 64;

		if (!word) {
			unit |= 63;
			continue;
		}
		unit += (size_t)__builtin_ctzll(word);
		if (lowest_known)
			slabs.lowest = unit;
		lowest_known = false;
		if (slabs.fit_grains[unit] < grains)
			continue;
		superslab = hak_pagemap_unit((char *)hak_pagemap.base + (unit << HAK_SUPERSLAB_SHIFT));

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

static bool is_batching(void)
{
	/* relaxed: obeyed from here on */
	return atomic_load_explicit(&hak_superslab_policy.batch, memory_order_relaxed);
}

static size_t used_grains(void)
{
	return slabs.count * HAK_SUPERSLAB_GRAINS - slabs.free_grains;
}

/* How much may be dirty: a base, and what reuse has earned. */
static size_t allowed_dirty_bytes(void)
{
	size_t base_bytes = atomic_load_explicit(&hak_superslab_policy.base_bytes, memory_order_relaxed);

	if (!is_batching())
		return 0;
	if (!atomic_load_explicit(&hak_superslab_policy.hold, memory_order_relaxed))
		return base_bytes;
	return base_bytes + (hak_hold_allowed(&slabs.hold, used_grains(), HAK_GRAIN_BYTES) << HAK_GRAIN_SHIFT);
}

static bool is_purge_due(void)
{
	hak_hold_fade(&slabs.hold, used_grains());
	return slabs.dirty_grains << HAK_GRAIN_SHIFT > allowed_dirty_bytes();
}

struct hak_slab *hak_superslab_acquire(unsigned grains, unsigned align_grains)
{
	struct hak_slab *slab;

	hak_lock_acquire(&slabs.lock);
	slab = acquire_locked(grains, align_grains);
	hak_hold_note(&slabs.hold, used_grains());
	hak_lock_release(&slabs.lock);
	return slab;
}

bool hak_superslab_release(struct hak_slab *slab, unsigned touched_grains)
{
	bool purge_due;

	hak_lock_acquire(&slabs.lock);

	struct hak_superslab *superslab = superslab_of(slab);
	unsigned start = first_grain(slab);

	if (touched_grains && is_batching()) {
		hak_os_count(HAK_COUNTER_batch_ranges, 1);
		if (start && !hak_grainmap_has(superslab->used, start - 1) &&
		    hak_grainmap_has(superslab->dirty, start - 1))
			hak_os_count(HAK_COUNTER_batch_merged, 1);
	}
	give_grains(superslab, start, slab->grains, touched_grains);
	/* One that holds nothing but address space is worth nothing either. */
	if (superslab->free_grains == HAK_SUPERSLAB_GRAINS && slabs.empty > SPARE_SUPERSLABS &&
	    hak_grainmap_next(superslab->dirty, 0, true) == HAK_SUPERSLAB_GRAINS)
		unmap_superslab(superslab);
	purge_due = is_purge_due();
	hak_lock_release(&slabs.lock);
	return purge_due;
}

bool hak_superslab_extend(struct hak_slab *slab, unsigned grains)
{
	bool extended = false;

	hak_lock_acquire(&slabs.lock);

	struct hak_superslab *superslab = superslab_of(slab);
	unsigned start = first_grain(slab), end = start + slab->grains;

	if (start + grains <= HAK_SUPERSLAB_GRAINS &&
	    hak_grainmap_count(superslab->used, end, start + grains - end) == 0) {
		(void)take_grains(superslab, end, start + grains - end);
		for (unsigned i = end; i < start + grains; i++)
			superslab->run_start[i] = (uint16_t)start;
		slab->grains = (uint16_t)grains;
		extended = true;
	}
	hak_lock_release(&slabs.lock);
	return extended;
}

bool hak_superslab_shorten(struct hak_slab *slab, unsigned grains)
{
	bool purge_due;

	hak_lock_acquire(&slabs.lock);
	give_grains(superslab_of(slab), first_grain(slab) + grains, slab->grains - grains,
		    slab->grains - grains);
	slab->grains = (uint16_t)grains;
	purge_due = is_purge_due();
	hak_lock_release(&slabs.lock);
	return purge_due;
}

/* The highest superslab below @end_unit with dirty free grains; NULL: none. Caller holds the lock. */
static struct hak_superslab *highest_dirty(size_t end_unit)
{
	while (end_unit > slabs.lowest) {
		size_t unit = --end_unit;

		if (!(slabs.open[unit / 64] >> unit % 64 & 1))
			continue;

		struct hak_superslab *superslab = hak_pagemap_unit((char *)hak_pagemap.base +
								   (unit << HAK_SUPERSLAB_SHIFT));

		if (hak_grainmap_next(superslab->dirty, 0, true) < HAK_SUPERSLAB_GRAINS)
			return superslab;
	}
	return NULL;
}

/*
 * Give back the dirty free runs of one superslab. They count as used while the lock is open for the system
 * call, so nobody can take them; whole machine pages only, what sticks out stays dirty.
 */
static size_t purge_superslab(struct hak_superslab *superslab)
{
	unsigned page_grains = (unsigned)(hak_os_page_bytes() >> HAK_GRAIN_SHIFT);
	unsigned from = 0;
	size_t given_bytes = 0;

	while ((from = hak_grainmap_next(superslab->dirty, from, true)) < HAK_SUPERSLAB_GRAINS) {
		unsigned end = hak_grainmap_next(superslab->dirty, from, false);
		unsigned start = (from + page_grains - 1) / page_grains * page_grains;
		unsigned grains = end / page_grains * page_grains;

		from = end;
		if (grains <= start)
			continue;
		grains -= start;
		(void)take_grains(superslab, start, grains);
		hak_lock_release(&slabs.lock);

		size_t bytes = (size_t)grains << HAK_GRAIN_SHIFT;
		bool gone = hak_os_dontneed(superslab->base + ((size_t)start << HAK_GRAIN_SHIFT), bytes) == 0;

		hak_lock_acquire(&slabs.lock);
		give_grains(superslab, start, grains, gone ? 0 : grains); /* EINVAL: locked in memory */
		hak_grainmap_set(superslab->purged, start, grains, gone);
		given_bytes += gone ? bytes : 0;
	}
	return given_bytes;
}

/* All wholly free superslabs, spare ones too. Caller holds the lock. Return: bytes that were dirty. */
static size_t unmap_all_empty(void)
{
	size_t dirty_before = slabs.dirty_grains;

	for (size_t unit = slabs.lowest; unit < slabs.end && slabs.empty; unit++) {
		struct hak_superslab *superslab;

		if (!(slabs.open[unit / 64] >> unit % 64 & 1))
			continue;
		superslab = hak_pagemap_unit((char *)hak_pagemap.base + (unit << HAK_SUPERSLAB_SHIFT));
		if (superslab->free_grains == HAK_SUPERSLAB_GRAINS)
			unmap_superslab(superslab);
	}
	return (dirty_before - slabs.dirty_grains) << HAK_GRAIN_SHIFT;
}

size_t hak_superslab_purge(size_t keep_bytes)
{
	size_t given_bytes = 0, end_unit;

	hak_lock_acquire(&slabs.lock);
	if (keep_bytes == 0)
		given_bytes = unmap_all_empty();
	if (keep_bytes == HAK_KEEP_ALLOWED)
		keep_bytes = allowed_dirty_bytes() / 4 * 3; /* slack: the next release is not due again */
	end_unit = slabs.end;
	while (slabs.dirty_grains << HAK_GRAIN_SHIFT > keep_bytes) {
		struct hak_superslab *superslab = highest_dirty(end_unit);

		if (!superslab)
			break;
		end_unit = unit_of(superslab);
		if (superslab->free_grains == HAK_SUPERSLAB_GRAINS && slabs.empty > SPARE_SUPERSLABS)
			unmap_superslab(superslab);
		else
			given_bytes += purge_superslab(superslab);
	}
	hak_lock_release(&slabs.lock);
	if (given_bytes && is_batching()) {
		hak_os_count(HAK_COUNTER_batch_flushes, 1);
		hak_os_count(HAK_COUNTER_batch_bytes, given_bytes);
	}
	hak_os_count(HAK_COUNTER_purge_runs, 1);
	return given_bytes;
}

struct hak_superslab_stats hak_superslab_stats(void)
{
	struct hak_superslab_stats stats;

	hak_lock_acquire(&slabs.lock);
	stats.mapped_bytes = slabs.count * HAK_SUPERSLAB_BYTES;
	stats.free_bytes = slabs.free_grains << HAK_GRAIN_SHIFT;
	stats.dirty_bytes = slabs.dirty_grains << HAK_GRAIN_SHIFT;
	hak_lock_release(&slabs.lock);
	return stats;
}

void hak_superslab_fork_prepare(void)
{
	hak_lock_acquire(&slabs.lock);
	hak_lock_acquire(&hak_pagemap.lock);
}

void hak_superslab_fork_parent(void)
{
	hak_lock_release(&hak_pagemap.lock);
	hak_lock_release(&slabs.lock);
}

void hak_superslab_fork_child(void)
{
	hak_lock_reset(&hak_pagemap.lock);
	hak_lock_reset(&slabs.lock);
}
