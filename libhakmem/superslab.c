/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "ghost.h"
#include "knobs.h"
#include "os.h"
#include "superslab_private.h"

/* Ghosts watch this one alone, and while they do none is taken from but it. */
static bool is_first(const struct hak_arena *arena)
{
	return arena == hak_arenas;
}

static struct hak_superslab *superslab_of(const struct hak_slab *slab)
{
	return hak_pagemap_owner(slab->base);
}

/* Its memory, and places in the tables. */
static struct hak_superslab *make_superslab(struct hak_arena *arena)
{
	struct hak_superslab *superslab = hak_superslab_take_descriptor(arena);
	void *memory;

	if (!superslab)
		return NULL;
	if (hak_pagemap_map(HAK_SUPERSLAB_BYTES, HAK_USE_SUPERSLAB, &memory) < 0) {
		hak_superslab_drop_descriptor(superslab);
		return NULL;
	}
	superslab->base = memory;
	if (hak_arena_reach(arena, hak_superslab_unit(superslab)) < 0) {
		hak_pagemap_unmap(memory, HAK_SUPERSLAB_BYTES);
		hak_superslab_drop_descriptor(superslab);
		return NULL;
	}
	return superslab;
}

/* For its arena, to which it has come wholly free. */
static void make_findable(struct hak_superslab *superslab)
{
	struct hak_arena *arena = superslab->arena;
	size_t unit = hak_superslab_unit(superslab);

	if (unit >= arena->end)
		arena->end = unit + 1;
	hak_arena_set_own(arena, unit, true);
	hak_superslab_set_fit(superslab, HAK_SUPERSLAB_GRAINS);
}

/* Map a superslab. Caller holds the lock; it is the one lock that may be held over this system call. */
static struct hak_superslab *map_superslab(struct hak_arena *arena)
{
	struct hak_superslab *superslab = make_superslab(arena);

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
	if (arena->ghosts) {
		arena->ghosts--;
		hak_hold_regret(&arena->hold, HAK_SUPERSLAB_GRAINS);
	}
	arena->count++;
	atomic_fetch_add_explicit(&hak_superslabs_count, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&hak_superslabs_mapped, 1, memory_order_relaxed);
	arena->empty++;
	arena->free_grains += HAK_SUPERSLAB_GRAINS;
	make_findable(superslab);
	hak_os_count(HAK_COUNTER_superslab_os, 1);
	return superslab;
}

/* A superslab that is wholly free comes, or goes: what the arena's books say of it. */
static void count_in(struct hak_arena *arena, struct hak_superslab *superslab, bool comes)
{
	size_t one = comes ? 1 : (size_t)-1; /* wraps */

	arena->count += one;
	arena->empty += one;
	arena->free_grains += one * HAK_SUPERSLAB_GRAINS;
	arena->dirty_grains += one * hak_grainmap_count(superslab->dirty, 0, HAK_SUPERSLAB_GRAINS);
	arena->lazy_grains += one * hak_grainmap_count(superslab->lazy, 0, HAK_SUPERSLAB_GRAINS);
	arena->table_bytes += one * superslab->table_bytes;
}

/* Caller holds the locks of both. */
static void move_superslab(struct hak_superslab *superslab, struct hak_arena *to)
{
	hak_superslab_set_fit(superslab, 0);
	hak_arena_set_own(superslab->arena, hak_superslab_unit(superslab), false);
	count_in(superslab->arena, superslab, false);
	superslab->arena = to;
	count_in(to, superslab, true);
	make_findable(superslab);
}

/* The lowest that is wholly free; a bound may be too high. NULL: there is none. */
static struct hak_superslab *find_empty(const struct hak_arena *arena)
{
	size_t unit = arena->empty ? arena->lowest : arena->end;

	for (; (unit = hak_arena_next_fit(arena, unit, HAK_SUPERSLAB_GRAINS)) < arena->end; unit++)
		if (hak_superslab_at(unit)->free_grains == HAK_SUPERSLAB_GRAINS)
			return hak_superslab_at(unit);
	return NULL;
}

/*
 * Before one is mapped: another arena's that is wholly free, so that what one has let go of serves all.
 * Caller holds the lock of @arena; others are only tried.
 */
static struct hak_superslab *adopt_superslab(struct hak_arena *arena)
{
	struct hak_superslab *superslab = NULL;

	for (unsigned i = 0; i < hak_arena_count() && !superslab; i++) {
		struct hak_arena *other = &hak_arenas[i];

		if (other == arena || !hak_lock_try(&other->lock))
			continue;
		superslab = find_empty(other);
		if (superslab && hak_arena_reach(arena, hak_superslab_unit(superslab)) == 0)
			move_superslab(superslab, arena);
		else
			superslab = NULL;
		hak_lock_release(&other->lock);
	}
	return superslab;
}

/* Find room in this superslab, dirty grains first: what is resident already costs no fault. */
static int find_room(struct hak_superslab *superslab, unsigned grains, unsigned align)
{
	unsigned longest = 0;
	int start = hak_grainmap_find(superslab->used, superslab->dirty, grains, align, &longest);

	if (start < 0)
		hak_superslab_set_fit(superslab, longest);
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

static struct hak_slab *acquire_locked(struct hak_arena *arena, unsigned grains, unsigned align, bool may_map)
{
	struct hak_superslab *superslab;
	size_t unit;
	int start;

	arena->lowest = hak_arena_next_fit(arena, arena->lowest, 1);
	unit = hak_knob(solo_slabs) ? arena->end : arena->lowest;
	while ((unit = hak_arena_next_fit(arena, unit, grains)) < arena->end) {
		superslab = hak_superslab_at(unit++);
		start = find_room(superslab, grains, align);
		if (start < 0)
			continue;
		if (superslab->free_grains == HAK_SUPERSLAB_GRAINS)
			hak_os_count(HAK_COUNTER_superslab_cached, 1);
		return make_run(superslab, (unsigned)start, grains);
	}
	superslab = may_map ? adopt_superslab(arena) : NULL;
	if (may_map && !superslab)
		superslab = map_superslab(arena);
	return superslab ? make_run(superslab, 0, grains) : NULL;
}

/* Caller holds the arena's lock. */
static struct hak_slab *acquire(struct hak_arena *arena, unsigned grains, unsigned align, bool may_map)
{
	struct hak_slab *slab = acquire_locked(arena, grains, align, may_map);

	if (slab) {
		hak_hold_note(&arena->hold, hak_arena_used_grains(arena));
		if (is_first(arena))
			hak_ghost_used(HAK_GHOST_RUNS, (size_t)grains << HAK_GRAIN_SHIFT,
				       hak_arena_used_grains(arena) << HAK_GRAIN_SHIFT);
	}
	hak_lock_release(&arena->lock);
	return slab;
}

struct hak_slab *hak_superslab_acquire(struct hak_arena_choice *choice, unsigned grains, unsigned align,
				       bool may_map)
{
	struct hak_slab *slab = acquire(hak_arena_lock(choice), grains, align, may_map);

	/* No memory: what others have free serves. */
	for (unsigned i = 0; may_map && !slab && i < hak_arena_count(); i++) {
		hak_lock_acquire(&hak_arenas[i].lock);
		slab = acquire(&hak_arenas[i], grains, align, false);
	}
	return slab;
}

/* Under the arena's lock; atomic for those who only look. */
static void count(_Atomic uint64_t *counter, bool more)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

void hak_superslab_release(struct hak_slab *slab, unsigned touched_grains)
{
	struct hak_superslab *superslab = superslab_of(slab);
	struct hak_arena *arena = superslab->arena;
	unsigned start = hak_superslab_first_grain(slab);

	hak_lock_acquire(&arena->lock);
	if (touched_grains && superslab->whole)
		touched_grains = slab->grains;
	if (touched_grains && hak_knob(batch)) {
		count(&arena->ranges, true);
		count(&arena->merged, (start && hak_grainmap_has(superslab->dirty, start - 1)) ||
					      (start + slab->grains < HAK_SUPERSLAB_GRAINS &&
					       hak_grainmap_has(superslab->dirty, start + slab->grains)));
	}
	hak_superslab_give(superslab, start, slab->grains, touched_grains);
	hak_superslab_drop_slab(superslab, slab);
	superslab->freed_msec = hak_os_coarse_msec();
	if (is_first(arena))
		hak_ghost_freed(HAK_GHOST_RUNS, (size_t)touched_grains << HAK_GRAIN_SHIFT,
				hak_arena_used_grains(arena) << HAK_GRAIN_SHIFT);
	/* One that holds nothing but address space is worth nothing either. */
	if (superslab->free_grains == HAK_SUPERSLAB_GRAINS && arena->empty > HAK_SPARE_SUPERSLABS &&
	    hak_grainmap_next(superslab->dirty, 0, true) == HAK_SUPERSLAB_GRAINS &&
	    hak_grainmap_next(superslab->lazy, 0, true) == HAK_SUPERSLAB_GRAINS)
		hak_superslab_unmap(superslab);
	hak_arena_note_freed(arena);
	hak_lock_release(&arena->lock);
}

bool hak_superslab_extend(struct hak_slab *slab, unsigned grains)
{
	struct hak_superslab *superslab = superslab_of(slab);
	unsigned start = hak_superslab_first_grain(slab), end = start + slab->grains;
	bool extended = false;

	hak_lock_acquire(&superslab->arena->lock);
	if (start + grains <= HAK_SUPERSLAB_GRAINS &&
	    hak_grainmap_count(superslab->used, end, start + grains - end) == 0) {
		(void)hak_superslab_take(superslab, end, start + grains - end);
		slab->grains = (uint16_t)grains;
		extended = true;
	}
	hak_lock_release(&superslab->arena->lock);
	return extended;
}

void hak_superslab_shorten(struct hak_slab *slab, unsigned grains)
{
	struct hak_superslab *superslab = superslab_of(slab);

	hak_lock_acquire(&superslab->arena->lock);
	hak_superslab_give(superslab, hak_superslab_first_grain(slab) + grains, slab->grains - grains,
			   slab->grains - grains);
	superslab->freed_msec = hak_os_coarse_msec();
	slab->grains = (uint16_t)grains;
	hak_arena_note_freed(superslab->arena);
	hak_lock_release(&superslab->arena->lock);
}

static void add_stats(struct hak_arena *arena, struct hak_superslab_stats *stats, size_t *table_bytes)
{
	hak_lock_acquire(&arena->lock);
	stats->mapped_bytes += arena->count * HAK_SUPERSLAB_BYTES;
	stats->free_bytes += arena->free_grains << HAK_GRAIN_SHIFT;
	stats->dirty_bytes += arena->dirty_grains << HAK_GRAIN_SHIFT;
	stats->lazy_bytes += arena->lazy_grains << HAK_GRAIN_SHIFT;
	stats->given_bytes += arena->given_grains << HAK_GRAIN_SHIFT;
	stats->untouched_table_bytes += arena->descriptors * sizeof(struct hak_superslab);
	*table_bytes += arena->table_bytes;
	hak_lock_release(&arena->lock);
}

struct hak_superslab_stats hak_superslab_stats(void)
{
	struct hak_superslab_stats stats = {0};
	size_t table_bytes = 0;

	for (unsigned i = 0; i < hak_arena_count(); i++)
		add_stats(&hak_arenas[i], &stats, &table_bytes);
	stats.untouched_table_bytes = hak_less(stats.untouched_table_bytes, table_bytes);
	return stats;
}

void hak_superslab_add_counters(uint64_t *counter)
{
	/* relaxed, and no lock: a child's handler asks, whose fork may have interrupted who holds it */
	for (unsigned i = 0; i < hak_arena_count(); i++) {
		counter[HAK_COUNTER_batch_ranges] +=
			atomic_load_explicit(&hak_arenas[i].ranges, memory_order_relaxed);
		counter[HAK_COUNTER_batch_merged] +=
			atomic_load_explicit(&hak_arenas[i].merged, memory_order_relaxed);
	}
}

void hak_superslab_fork_prepare(void)
{
	hak_lock_acquire(&hak_arenas[0].lock); /* from here on there are no more */
	for (unsigned i = 1; i < hak_arena_count(); i++)
		hak_lock_acquire(&hak_arenas[i].lock);
	hak_lock_acquire(&hak_fresh.lock);
	hak_lock_acquire(&hak_pagemap.lock);
}

void hak_superslab_fork_parent(void)
{
	hak_lock_release(&hak_pagemap.lock);
	hak_lock_release(&hak_fresh.lock);
	for (unsigned i = hak_arena_count(); i-- > 0;)
		hak_lock_release(&hak_arenas[i].lock);
}

void hak_superslab_fork_child(void)
{
	hak_lock_reset(&hak_pagemap.lock);
	hak_lock_reset(&hak_fresh.lock);
	for (unsigned i = 0; i < hak_arena_count(); i++) {
		hak_lock_reset(&hak_arenas[i].lock);
		hak_arenas[i].hesitated = false;
	}
	hak_superslab_begin_fresh();
}
