/* SPDX-License-Identifier: MIT */
/* How superslabs give back what is free. See superslab.h. */
#include "knobs.h"
#include "lazy.h"
#include "os.h"
#include "superslab_private.h"

enum {
	COLD_MSEC = 64,
	AGAIN_MSEC = 16,
	/* Dirty beyond what is allowed, while it is not cold: what is about to become whole superslabs. */
	WARM_GRAINS = 16 << (20 - HAK_GRAIN_SHIFT),
	WARM_LEAST_GRAINS = WARM_GRAINS / 16,
	DESERTED_GRAINS = WARM_LEAST_GRAINS / 4, /* where nearly all was let go */
	LIVE_COLD_MSEC = 1000,
	NEARLY_ALL = 4, /* let go for each that is in use */
};

/* ---- how much may stay ------------------------------------------------------------------------------- */

/* What all arenas together may keep each has a part of. */
static size_t part_of_arena(size_t bytes)
{
	return bytes / hak_arena_count();
}

static size_t base_grains(void)
{
	return part_of_arena(hak_knob(hold_base_bytes)) >> HAK_GRAIN_SHIFT;
}

static size_t excess_grains(const struct hak_arena *arena)
{
	return hak_hold_excess(&arena->hold, hak_arena_used_grains(arena));
}

/* Nearly all of the recent peak was let go: the process may be about to sleep. */
static bool is_deserted(const struct hak_arena *arena)
{
	size_t used_grains = hak_arena_used_grains(arena);

	return used_grains < hak_hold_excess(&arena->hold, used_grains) / NEARLY_ALL;
}

/* How much may be lazily free: it costs nobody anything while somebody collects. */
static size_t allowed_lazy_grains(const struct hak_arena *arena)
{
	return hak_lazy_is(&hak_lazy.allowed) && hak_knob(bigcache) && hak_knob(batch) ? excess_grains(arena)
											     : 0;
}

/*
 * How much may be dirty: a base, what reuse has earned, and something unearned where it cannot be lazily
 * free.
 */
static size_t allowed_dirty_grains(const struct hak_arena *arena)
{
	size_t unearned_bytes = hak_lazy_is(&hak_lazy.allowed) ? 0 : hak_knob(hold_unearned_bytes);
	struct hak_hold_limits limits = {
		.base = base_grains(),
		.unearned = part_of_arena(unearned_bytes) >> HAK_GRAIN_SHIFT,
		.earned_percent = hak_knob(hold_earned_percent),
		.share_percent = hak_knob(hold_share_percent),
	};

	if (!hak_knob(bigcache))
		return hak_knob(batch) ? limits.base : 0;
	return hak_hold_allowed(&arena->hold, hak_arena_used_grains(arena), limits);
}

/*
 * Where ranges are not collected, nothing is about to be whole. Little is where much was let go: the process
 * may be about to sleep.
 */
static size_t warm_grains(const struct hak_arena *arena)
{
	size_t grains, least = is_deserted(arena) ? DESERTED_GRAINS : WARM_LEAST_GRAINS;

	if (!hak_knob(bigcache) || !hak_knob(batch))
		return 0;
	grains = hak_less(WARM_GRAINS, excess_grains(arena) / HAK_HOLD_DOUBT);
	if (hak_lazy_is(&hak_lazy.allowed) && grains > hak_arena_used_grains(arena) / 4)
		grains = hak_arena_used_grains(arena) / 4;
	return grains > least ? grains : least;
}

static bool is_too_much_free(struct hak_arena *arena)
{
	size_t allowed_grains;

	hak_hold_fade(&arena->hold, hak_arena_used_grains(arena), hak_os_coarse_msec());
	if (arena->live_grains && hak_os_coarse_msec() - arena->purged_msec >= LIVE_COLD_MSEC)
		arena->live_grains = 0; /* to be looked at again */
	allowed_grains = allowed_dirty_grains(arena) + arena->live_grains;
	/* What the last purge left may have become cold. The clock wraps after 50 days: ages are compared. */
	if (arena->dirty_grains > allowed_grains &&
	    (arena->dirty_grains > allowed_grains + warm_grains(arena) ||
	     hak_os_coarse_msec() - arena->purged_msec >= AGAIN_MSEC))
		return true;
	return arena->lazy_grains > allowed_lazy_grains(arena);
}

void hak_arena_note_freed(struct hak_arena *arena)
{
	if (is_too_much_free(arena))
		hak_superslab_set_purge_due(true);
}

/* ---- giving back ------------------------------------------------------------------------------------- */

/*
 * Pieces of a superslab that is being emptied wait until it is empty, or is left alone: to give them back one
 * by one costs a call each, and splits huge pages.
 */
static bool may_purge(const struct hak_superslab *superslab)
{
	return superslab->free_grains == HAK_SUPERSLAB_GRAINS ||
	       hak_os_coarse_msec() - superslab->freed_msec >= COLD_MSEC;
}

static const uint64_t *map_of(const struct hak_superslab *superslab, bool lazy)
{
	return lazy ? superslab->lazy : superslab->dirty;
}

/* The highest superslab below @end_unit with such free grains; NULL: none. */
static struct hak_superslab *highest(const struct hak_arena *arena, size_t end_unit, bool lazy)
{
	while (end_unit > arena->lowest) {
		size_t unit = --end_unit;

		if (hak_arena_is_open(arena, unit) &&
		    hak_grainmap_next(map_of(hak_superslab_at(unit), lazy), 0, true) < HAK_SUPERSLAB_GRAINS)
			return hak_superslab_at(unit);
	}
	return NULL;
}

/* Its huge page is in use, by more than half and of late: giving back a part would split it. */
static bool is_live(const struct hak_superslab *superslab)
{
	return hak_superslab_uses_huge(superslab) && superslab->free_grains <= HAK_LIVE_FREE_GRAINS &&
	       hak_os_coarse_msec() - superslab->freed_msec < LIVE_COLD_MSEC;
}

/*
 * Give one free run back. It counts as used while the lock is open for the system call, so that nobody can
 * take it. Return: bytes given back; 0 where they are locked in memory.
 */
static size_t give_back(struct hak_superslab *superslab, unsigned start, unsigned grains, bool lazily)
{
	char *base = superslab->base + ((size_t)start << HAK_GRAIN_SHIFT);
	size_t bytes = (size_t)grains << HAK_GRAIN_SHIFT;
	bool break_up = hak_superslab_uses_huge(superslab) && superslab->free_grains < HAK_SUPERSLAB_GRAINS;
	struct hak_arena *arena = superslab->arena;
	bool gone;

	(void)hak_superslab_take(superslab, start, grains);
	if (break_up)
		(void)hak_superslab_set_huge(superslab, false);
	hak_lock_release(&arena->lock);
	if (break_up)
		hak_os_advise_huge(superslab->base, HAK_SUPERSLAB_BYTES, false);
	gone = (lazily ? hak_os_free_lazily(base, bytes) : hak_os_dontneed(base, bytes)) == 0;
	hak_os_count(HAK_COUNTER_batch_calls, hak_knob(batch));
	hak_lock_acquire(&arena->lock);
	hak_superslab_give(superslab, start, grains, gone ? 0 : grains);
	if (!gone)
		return 0;
	hak_grainmap_set(lazily ? superslab->lazy : superslab->purged, start, grains, true);
	if (lazily) {
		arena->lazy_grains += grains;
		hak_lazy_set(&hak_lazy.given, true);
	}
	return bytes;
}

/* The dirty free runs of one superslab; whole machine pages only, what sticks out stays dirty. */
static size_t purge_dirty(struct hak_superslab *superslab, bool lazily)
{
	unsigned page_grains = (unsigned)(hak_os_page_bytes() >> HAK_GRAIN_SHIFT);
	unsigned from = 0;
	size_t given_bytes = 0;

	if (hak_superslab_uses_huge(superslab))
		hak_superslab_mark_dirty(superslab);
	while ((from = hak_grainmap_next(superslab->dirty, from, true)) < HAK_SUPERSLAB_GRAINS) {
		unsigned end = hak_grainmap_next(superslab->dirty, from, false);
		unsigned start = (from + page_grains - 1) / page_grains * page_grains;
		unsigned grains = end / page_grains * page_grains;

		from = end;
		if (grains <= start)
			continue;
		grains -= start;
		given_bytes += give_back(superslab, start, grains, lazily);
	}
	return given_bytes;
}

/* What was lazily free goes for good. */
static void purge_lazy(struct hak_superslab *superslab)
{
	struct hak_arena *arena = superslab->arena;
	unsigned from = 0;

	while ((from = hak_grainmap_next(superslab->lazy, from, true)) < HAK_SUPERSLAB_GRAINS) {
		unsigned grains = hak_grainmap_next(superslab->lazy, from, false) - from;

		hak_grainmap_set(superslab->lazy, from, grains, false); /* so that taking it is no regret */
		arena->lazy_grains -= grains;
		hak_lazy_take(superslab->base + ((size_t)from << HAK_GRAIN_SHIFT),
			      (size_t)grains << HAK_GRAIN_SHIFT);
		(void)give_back(superslab, from, grains, false);
		from += grains;
	}
}

/* All wholly free superslabs, spare ones too. Return: bytes that were dirty. */
static size_t unmap_all_empty(struct hak_arena *arena)
{
	size_t dirty_before = arena->dirty_grains;

	for (size_t unit = arena->lowest; unit < arena->end && arena->empty; unit++) {
		if (hak_arena_is_open(arena, unit) &&
		    hak_superslab_at(unit)->free_grains == HAK_SUPERSLAB_GRAINS)
			hak_superslab_unmap(hak_superslab_at(unit));
	}
	return (dirty_before - arena->dirty_grains) << HAK_GRAIN_SHIFT;
}

static bool may_unmap(const struct hak_superslab *superslab)
{
	return superslab->free_grains == HAK_SUPERSLAB_GRAINS &&
	       superslab->arena->empty > HAK_SPARE_SUPERSLABS;
}

/*
 * There is room for a hundred ranges, and nobody collects what is not in them; the free parts of others are
 * many.
 */
static bool is_worth_publishing(const struct hak_superslab *superslab)
{
	return superslab->free_grains == HAK_SUPERSLAB_GRAINS;
}

/* What may stay beside what is kept: see hak_superslab_purge(). */
struct leniency {
	size_t warm_grains; /* of what is too much, where it is warm */
	bool live;          /* what lies in huge pages that are in use */
};

static size_t purge_dirty_down_to(struct hak_arena *arena, size_t keep_grains, size_t keep_lazy_grains,
				  struct leniency leniency)
{
	size_t given_bytes = 0, end_unit = arena->end;

	arena->live_grains = 0;
	arena->purged_msec = hak_os_coarse_msec();

	while (arena->dirty_grains > keep_grains) {
		struct hak_superslab *superslab = highest(arena, end_unit, false);
		bool lazily;

		if (!superslab)
			break;
		end_unit = hak_superslab_unit(superslab);
		if (leniency.live && is_live(superslab)) {
			arena->live_grains +=
				hak_grainmap_count(superslab->dirty, 0, HAK_SUPERSLAB_GRAINS);
			continue;
		}
		if (arena->dirty_grains <= keep_grains + leniency.warm_grains &&
		    !may_purge(superslab))
			continue;
		lazily = is_worth_publishing(superslab) && arena->lazy_grains < keep_lazy_grains;
		if (!lazily && may_unmap(superslab)) {
			hak_superslab_unmap(superslab);
		} else {
			given_bytes += purge_dirty(superslab, lazily);
			hak_superslab_trim_descriptor(superslab);
		}
	}
	return given_bytes;
}

static void give_up_lazy(struct hak_superslab *superslab)
{
	if (may_unmap(superslab))
		hak_superslab_unmap(superslab);
	else
		purge_lazy(superslab);
}

static void purge_lazy_down_to(struct hak_arena *arena, size_t keep_grains)
{
	size_t end_unit = arena->end;

	while (arena->lazy_grains > keep_grains) {
		struct hak_superslab *superslab = highest(arena, end_unit, true);

		if (!superslab)
			break;
		end_unit = hak_superslab_unit(superslab);
		give_up_lazy(superslab);
	}
}

void hak_superslab_purge_lazy(uintptr_t start, size_t bytes)
{
	size_t first_unit = (start - hak_pagemap.base) >> HAK_SUPERSLAB_SHIFT;
	size_t end_unit = (start + bytes - 1 - hak_pagemap.base) >> HAK_SUPERSLAB_SHIFT;

	for (unsigned i = 0; i < hak_arena_count(); i++) {
		struct hak_arena *arena = &hak_arenas[i];

		hak_lock_acquire(&arena->lock);
		for (size_t unit = first_unit; unit <= end_unit && unit < arena->end; unit++)
			if (hak_arena_is_open(arena, unit))
				give_up_lazy(hak_superslab_at(unit));
		hak_lock_release(&arena->lock);
	}
}

static size_t purge(struct hak_arena *arena, size_t keep_bytes)
{
	size_t given_bytes = 0, keep_grains = keep_bytes >> HAK_GRAIN_SHIFT, keep_lazy_grains = 0;
	struct leniency leniency = {0};

	hak_lock_acquire(&arena->lock);
	leniency.live = keep_bytes == HAK_KEEP_ALLOWED && !is_deserted(arena);
	if (keep_bytes == 0)
		given_bytes = unmap_all_empty(arena);
	if (keep_bytes == HAK_KEEP_ALLOWED) {
		keep_grains = allowed_dirty_grains(arena);
		/* slack: the next release is not due again */
		keep_grains -= keep_grains / 64 * hak_knob(batch_64ths);
		if (keep_grains <= hak_hold_least(base_grains()))
			keep_grains = 0;
		keep_lazy_grains = allowed_lazy_grains(arena);
		leniency.warm_grains = warm_grains(arena);
	}
	purge_lazy_down_to(arena, keep_lazy_grains);
	given_bytes += purge_dirty_down_to(arena, keep_grains, keep_lazy_grains, leniency);
	hak_lock_release(&arena->lock);
	return given_bytes;
}

size_t hak_superslab_purge(size_t keep_bytes)
{
	size_t given_bytes = purge(&hak_arenas[0], keep_bytes);

	for (unsigned i = 1; i < hak_arena_count(); i++)
		given_bytes += purge(&hak_arenas[i], keep_bytes == HAK_KEEP_ALLOWED ? keep_bytes : 0);
	if (given_bytes && hak_knob(batch)) {
		hak_os_count(HAK_COUNTER_batch_flushes, 1);
		hak_os_count(HAK_COUNTER_batch_bytes, given_bytes);
	}
	hak_os_count(HAK_COUNTER_purge_runs, 1);
	return given_bytes;
}

static void add_lazy(struct hak_lazy_ranges *ranges, const struct hak_superslab *superslab)
{
	unsigned from = 0;

	while ((from = hak_grainmap_next(superslab->lazy, from, true)) < HAK_SUPERSLAB_GRAINS) {
		unsigned grains = hak_grainmap_next(superslab->lazy, from, false) - from;

		hak_lazy_add(ranges, superslab->base + ((size_t)from << HAK_GRAIN_SHIFT),
			     (size_t)grains << HAK_GRAIN_SHIFT);
		from += grains;
	}
}

/* Units of the arenas lie between each other's, and neighbours are merged where they come in order. */
void hak_superslab_add_lazy(struct hak_lazy_ranges *ranges)
{
	unsigned arenas = hak_arena_count();
	size_t end = 0;

	for (unsigned i = 0; i < arenas; i++) { /* as fork locks them */
		hak_lock_acquire(&hak_arenas[i].lock);
		if (hak_arenas[i].lazy_grains && hak_arenas[i].end > end)
			end = hak_arenas[i].end;
	}
	for (size_t unit = 0; unit < end; unit++)
		for (unsigned i = 0; i < arenas; i++)
			if (unit < hak_arenas[i].end && hak_arena_is_open(&hak_arenas[i], unit))
				add_lazy(ranges, hak_superslab_at(unit));
	for (unsigned i = arenas; i-- > 0;)
		hak_lock_release(&hak_arenas[i].lock);
}
