/* SPDX-License-Identifier: MIT */
/*
 * Which superslabs use huge pages, and which do no more, since pages go back out of them. Those of a heap
 * that has grown large do from their first touch on, which saves five hundred faults; the first ones begin
 * with small pages, so that small programs stay small, and are advised to be huge once the heap has outgrown
 * them and slabs fill them. That saves no fault any more, but costs hardly any memory, and a heap of eight
 * MiB in small pages misses the TLB at most accesses. Large blocks in superslabs do not count, and those in
 * mappings of their own count half, as nobody knows how much of them was touched. Where it was hardly any of
 * all that was handed out (touch.h) small pages go on, and are advised to be huge once nearly all of it was.
 *
 * Nothing is collapsed here (MADV_COLLAPSE): the kernel waits for a worker on each CPU first, a second where
 * they are busy, and the program would wait with it. khugepaged comes by in its own time.
 */
#include "huge.h"
#include "knobs.h"
#include "os.h"
#include "superslab_private.h"

enum {
	FILLING_GRAINS = HAK_SUPERSLAB_GRAINS * 3 / 4, /* of slabs */
	SLAB_GRAINS_MOST = 32,                         /* a longer run is a large block */
	HALF_GRAINS = HAK_SUPERSLAB_GRAINS / 2,
	SUSPICIONS = 3,
	MOMENT_MSEC = 8,
	YOUNG_GRAINS = HAK_SUPERSLAB_GRAINS,
	OWN_FAULTS = 2, /* of tables, for each superslab */
	BESIDE_BYTES = 2 * HAK_SUPERSLAB_BYTES, /* of large blocks' mappings count for one superslab */
};

/* The superslab of any unit; NULL where the arena has none. */
static struct hak_superslab *superslab_or_null(const struct hak_arena *arena, size_t unit)
{
	return hak_arena_owns(arena, unit) ? hak_superslab_at(unit) : NULL;
}

/* As gauges tell: superslabs of other arenas. */
static size_t superslabs_elsewhere(const struct hak_arena *arena)
{
	return hak_less(atomic_load_explicit(&hak_superslabs_count, memory_order_relaxed), arena->count);
}

static bool is_filled_by_slabs(const struct hak_superslab *superslab)
{
	unsigned filled = 0, at = 0;

	while ((at = hak_grainmap_next(superslab->used, at, true)) < HAK_SUPERSLAB_GRAINS) {
		unsigned grains = superslab->slab[superslab->run_slab[at]].grains;

		filled += grains <= SLAB_GRAINS_MOST ? grains : 0;
		at += grains ? grains : 1; /* none: free ones, taken for a system call */
	}
	return filled >= FILLING_GRAINS;
}

void hak_superslab_begin_fresh(void)
{
	hak_lock_acquire(&hak_fresh.lock);
	hak_fresh.grains = hak_fresh.runs = hak_fresh.grains_before = 0;
	hak_touch_begin(&hak_fresh.touch, 0);
	hak_lock_release(&hak_fresh.lock);
}

/* A page at least of most runs that it got? Then the program uses each when it gets it. */
static bool has_touched_most(void)
{
	size_t own = atomic_load_explicit(&hak_superslabs_count, memory_order_relaxed) * OWN_FAULTS;

	return hak_touch_faults(&hak_fresh.touch) > hak_fresh.runs / 2 + own;
}

/* Who gets all the rows of a matrix before he fills the first is to be waited for. */
static bool is_hardly_touched(void)
{
	uint32_t now_msec = hak_os_coarse_msec();
	bool is_little;

	hak_lock_acquire(&hak_fresh.lock);
	if (now_msec - hak_fresh.msec >= MOMENT_MSEC) {
		hak_fresh.touch.fresh = hak_fresh.grains_before;
		hak_fresh.grains_before = hak_fresh.grains;
		hak_fresh.msec = now_msec;
	}
	if (has_touched_most())
		hak_fresh.touch.fresh = hak_less(hak_fresh.grains, YOUNG_GRAINS);
	is_little = hak_touch_is_little(&hak_fresh.touch);
	hak_lock_release(&hak_fresh.lock);
	return is_little;
}

/* Should it use huge pages, with @before others before it? */
static bool wants_huge(const struct hak_superslab *superslab, size_t before)
{
	uint32_t thp = hak_knob(thp), from = hak_knob(huge_from_superslabs);

	if (hak_huge_is_refused() || (thp == HAK_THP_AUTO && from == HAK_HUGE_NEVER))
		return false;
	if (thp != HAK_THP_AUTO)
		return thp == HAK_THP_ON;
	return (before >= from && !is_hardly_touched()) || is_filled_by_slabs(superslab);
}

/*
 * Did the last superslab that began huge get huge pages? Half of it is in use: in small pages that were as
 * many faults. Others may have faulted meanwhile, so who is suspected several times is asked to collapse,
 * which tells for certain. Once it is known nothing is asked any more.
 */
static void try_last(const struct hak_superslab *next)
{
	static struct {
		bool begun, settled;
		size_t unit;
		uint64_t faults; /* when it began */
		unsigned suspected;
	} last;
	const struct hak_superslab *superslab = last.begun ? superslab_or_null(next->arena, last.unit) : NULL;
	uint64_t faults;

	if (last.settled)
		return;
	faults = hak_os_faults();
	if (superslab && hak_superslab_uses_huge(superslab) && superslab->free_grains < HALF_GRAINS) {
		last.settled = faults - last.faults < HALF_GRAINS;
		if (!last.settled && ++last.suspected == SUSPICIONS) {
			last.settled = true;
			hak_huge_try(superslab->base);
		}
	}
	last.begun = true;
	last.unit = hak_superslab_unit(next);
	last.faults = faults;
}

/* So that small pages made huge are hardly more memory. */
static bool is_nearly_all_touched(void)
{
	bool is_nearly_all;

	hak_lock_acquire(&hak_fresh.lock);
	is_nearly_all = hak_touch_faults(&hak_fresh.touch) >= hak_fresh.grains / 8 * 7;
	hak_lock_release(&hak_fresh.lock);
	return is_nearly_all;
}

/* The last one is left: slabs that were begun there are hardly carved yet. */
static void advise_filled(const struct hak_arena *arena)
{
	size_t elsewhere = superslabs_elsewhere(arena), seen = 0;

	for (size_t unit = 0; unit < arena->end && seen + 1 < arena->count; unit++) {
		struct hak_superslab *superslab = superslab_or_null(arena, unit);

		if (superslab && wants_huge(superslab, elsewhere + seen++) &&
		    !hak_superslab_set_huge(superslab, true))
			hak_os_advise_huge(superslab->base, HAK_SUPERSLAB_BYTES, true);
	}
}

void hak_superslab_begin_huge(struct hak_superslab *superslab)
{
	struct hak_arena *arena = superslab->arena;
	size_t before = arena->count + superslabs_elsewhere(arena);
	size_t beside = atomic_load_explicit(&hak_superslabs_beside_bytes, memory_order_relaxed);
	bool huge;

	if (before == 0) {
		hak_superslab_begin_fresh();
		arena->hesitated = false;
	}
	huge = wants_huge(superslab, before + beside / BESIDE_BYTES);
	if (huge) {
		if (arena == &hak_arenas[0]) /* what is known of it is there */
			try_last(superslab);
		huge = !hak_huge_is_refused();
	}
	(void)hak_superslab_set_huge(superslab, huge);
	/* Said either way: where the default is "always", a young superslab would cost 2 MiB at once. */
	hak_os_advise_huge(superslab->base, HAK_SUPERSLAB_BYTES, huge);
	if (before <= hak_knob(huge_from_superslabs) + 1 ||
	    (huge && arena->hesitated && is_nearly_all_touched())) {
		advise_filled(arena);
		arena->hesitated = false;
	}
	arena->hesitated |= !huge;
}

static size_t huge_untouched_grains(struct hak_arena *arena)
{
	size_t grains = 0;

	hak_lock_acquire(&arena->lock);
	for (size_t unit = arena->lowest; unit < arena->end; unit++) {
		const struct hak_superslab *superslab =
			hak_arena_is_open(arena, unit) ? hak_superslab_at(unit) : NULL;

		if (!superslab || !hak_superslab_uses_huge(superslab) ||
		    superslab->free_grains == HAK_SUPERSLAB_GRAINS)
			continue; /* a whole one is dirty, or was given back */
		grains += superslab->free_grains;
		grains -= hak_grainmap_count(superslab->dirty, 0, HAK_SUPERSLAB_GRAINS);
		grains -= hak_grainmap_count(superslab->lazy, 0, HAK_SUPERSLAB_GRAINS);
		grains -= hak_grainmap_count(superslab->purged, 0, HAK_SUPERSLAB_GRAINS);
	}
	hak_lock_release(&arena->lock);
	return grains;
}

size_t hak_superslab_huge_untouched_bytes(void)
{
	size_t grains = 0;

	for (unsigned i = 0; i < hak_arena_count(); i++)
		grains += huge_untouched_grains(&hak_arenas[i]);
	return grains << HAK_GRAIN_SHIFT;
}

static void convert(struct hak_arena *arena)
{
	size_t seen = 0;

	for (size_t unit = 0;; unit++) {
		struct hak_superslab *superslab;
		bool huge;

		hak_lock_acquire(&arena->lock); /* each time: 2 us of system call are long enough */
		if (unit >= arena->end) {
			hak_lock_release(&arena->lock);
			return;
		}
		superslab = superslab_or_null(arena, unit);
		huge = superslab && wants_huge(superslab, superslabs_elsewhere(arena) + seen++);
		if (superslab && hak_superslab_set_huge(superslab, huge) != huge)
			hak_os_advise_huge(superslab->base, HAK_SUPERSLAB_BYTES, huge);
		hak_lock_release(&arena->lock);
	}
}

void hak_superslab_convert(void)
{
	for (unsigned i = 0; i < hak_arena_count(); i++)
		convert(&hak_arenas[i]);
}

/* ---- pages in the middle of runs --------------------------------------------------------------------- */

void hak_superslab_offer(const struct hak_slab *slab, uint32_t round)
{
	struct hak_superslab *superslab = hak_pagemap_owner(slab->base);

	if (!hak_superslab_uses_huge(superslab))
		return;
	hak_lock_acquire(&superslab->arena->lock);
	if (superslab->offer_round != round)
		superslab->offered_grains = 0;
	superslab->offer_round = round;
	superslab->offered_grains = (uint16_t)(superslab->offered_grains + slab->grains);
	hak_lock_release(&superslab->arena->lock);
}

bool hak_superslab_may_break_up(const struct hak_slab *slab, uint32_t round)
{
	struct hak_superslab *superslab = hak_pagemap_owner(slab->base);
	unsigned idle_grains;

	if (!hak_superslab_uses_huge(superslab))
		return true;
	hak_lock_acquire(&superslab->arena->lock);
	idle_grains = superslab->free_grains;
	if (superslab->offer_round == round)
		idle_grains += superslab->offered_grains;
	hak_lock_release(&superslab->arena->lock);
	return idle_grains > HAK_LIVE_FREE_GRAINS;
}

void hak_superslab_break_up(const struct hak_slab *slab, const uint64_t *given)
{
	struct hak_superslab *superslab = hak_pagemap_owner(slab->base);
	unsigned first = hak_superslab_first_grain(slab);
	bool was_huge;

	hak_lock_acquire(&superslab->arena->lock);
	was_huge = hak_superslab_set_huge(superslab, false);
	if (was_huge)
		hak_superslab_mark_dirty(superslab);
	for (unsigned i = 0; i < slab->grains; i++)
		if (hak_grainmap_has(given, i))
			hak_grainmap_set(superslab->given, first + i, 1, true);
	superslab->arena->given_grains += hak_grainmap_count(given, 0, slab->grains);
	hak_lock_release(&superslab->arena->lock);
	if (was_huge)
		hak_os_advise_huge(superslab->base, HAK_SUPERSLAB_BYTES, false);
}

void hak_superslab_forget_given(const struct hak_slab *slab)
{
	struct hak_superslab *superslab = hak_pagemap_owner(slab->base);
	unsigned first = hak_superslab_first_grain(slab);

	hak_lock_acquire(&superslab->arena->lock);
	superslab->arena->given_grains -= hak_grainmap_count(superslab->given, first, slab->grains);
	hak_grainmap_set(superslab->given, first, slab->grains, false);
	hak_lock_release(&superslab->arena->lock);
}
