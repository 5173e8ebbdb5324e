/* SPDX-License-Identifier: MIT */
/*
 * What the parts of superslabs (superslab*.c) share; each calls those above it alone. All under the lock of
 * the arena, but where it says otherwise.
 */
#ifndef HAK_SUPERSLAB_PRIVATE_H
#define HAK_SUPERSLAB_PRIVATE_H

#include "hold.h"
#include "superslab.h"
#include "touch.h"

enum {
	HAK_SPARE_SUPERSLABS = 2,                        /* wholly free ones that stay mapped */
	HAK_LIVE_FREE_GRAINS = HAK_SUPERSLAB_GRAINS / 2, /* a huge page with no more of them is mostly live */
	HAK_FIT_BLOCK_UNITS = 64,
	HAK_FIT_POWERS = 10,
	HAK_FIT_FIRST_BLOCKS = 8, /* of the first GiB, which most processes never leave */
};
_Static_assert(1 << (HAK_FIT_POWERS - 1) == HAK_SUPERSLAB_GRAINS, "the last: wholly free");

/* Of 64 units: which superslabs may have a run of so many free grains? See superslab_fit.c. */
struct hak_superslab_fits {
	uint64_t units;                   /* bit: the unit's superslab is the arena's */
	uint64_t reaches[HAK_FIT_POWERS]; /* bit: its bound is 1 << index or more */
	uint16_t bound[HAK_FIT_BLOCK_UNITS];
};

/* Superslabs under a lock of their own: see hak_arena_choice. Most processes have the first one alone. */
struct hak_arena {
	struct hak_lock lock;
	unsigned cpu; /* on which a thread took a run last, and one more; 0: none, or not known */
	struct hak_superslab *spare; /* descriptors without a mapping */
	size_t count;                /* superslabs that are mapped */
	size_t empty;                /* of them wholly free */
	size_t free_grains, dirty_grains, lazy_grains, given_grains;
	size_t table_bytes, descriptors; /* resident at most, of so many descriptors of our own */
	struct hak_hold hold; /* in grains */
	size_t live_grains;   /* dirty, and left so by the last purge: in huge pages that are in use */
	uint32_t purged_msec; /* when that was */
	size_t ghosts;        /* superslabs that were unmapped: mapping one again is a regret, too */
	size_t lowest;        /* unit: no superslab below has a free grain */
	size_t end;           /* unit: no superslab at or above */
	_Atomic uint64_t ranges, merged; /* counters: given back so far, of them beside others */
	bool hesitated;       /* some superslabs began small, and nobody has looked at them since */
	struct hak_superslab_fits *fits; /* NULL: `first_fits` */
	struct hak_superslab_fits first_fits[HAK_FIT_FIRST_BLOCKS];
} HAK_ALIGNED(HAK_LINE_BYTES);
extern struct hak_arena hak_arenas[HAK_ARENAS];

/* How many of them may have superslabs, from the first. */
static inline unsigned hak_arena_count(void)
{
	/* relaxed: what an arena has is seen under its lock */
	return atomic_load_explicit(&hak_arenas_used, memory_order_relaxed);
}

/* Of all arenas: superslabs that are mapped. relaxed, all: gauges */
extern _Atomic size_t hak_superslabs_count;

/* What runs got in small pages, in any arena: a fault each, if touched. Its lock comes after an arena's. */
struct hak_fresh {
	struct hak_lock lock;
	size_t grains, runs;
	size_t grains_before; /* a moment ago, */
	uint32_t msec;        /* when that was looked at */
	struct hak_touch touch; /* of those grains, but for what may be touched yet */
};
extern struct hak_fresh hak_fresh;

static inline size_t hak_superslab_unit(const struct hak_superslab *superslab)
{
	return ((uintptr_t)superslab->base - hak_pagemap.base) >> HAK_SUPERSLAB_SHIFT;
}

/* The superslab of an open unit. */
static inline struct hak_superslab *hak_superslab_at(size_t unit)
{
	return hak_pagemap_owner((char *)hak_pagemap.base + (unit << HAK_SUPERSLAB_SHIFT));
}

static inline size_t hak_arena_used_grains(const struct hak_arena *arena)
{
	return arena->count * HAK_SUPERSLAB_GRAINS - arena->free_grains;
}

static inline unsigned hak_superslab_first_grain(const struct hak_slab *slab)
{
	return (unsigned)(((uintptr_t)slab->base & (HAK_SUPERSLAB_BYTES - 1)) >> HAK_GRAIN_SHIFT);
}

/* Caller holds the lock. Return: what it was. */
static inline bool hak_superslab_set_huge(struct hak_superslab *superslab, bool huge)
{
	bool before = atomic_load_explicit(&superslab->huge, memory_order_relaxed);

	superslab->whole |= huge;
	atomic_store_explicit(&superslab->huge, huge, memory_order_relaxed);
	return before;
}

static inline bool hak_superslab_uses_huge(const struct hak_superslab *superslab)
{
	return atomic_load_explicit(&superslab->huge, memory_order_relaxed);
}

/* ---- superslab_arena.c ------------------------------------------------------------------------------- */

/* So many in so long are often. Memory that goes from core to core less is worth more in one place. */
enum { HAK_CROSSINGS_MOST = 128, HAK_CROSSINGS_MSEC = 4 };

/* The arena of the choice, locked, which may be another from now on. */
struct hak_arena *hak_arena_lock(struct hak_arena_choice *choice);

/* ---- superslab_fit.c --------------------------------------------------------------------------------- */

/* Let there be a place for @unit. Return: 0, -ENOMEM. */
int hak_arena_reach(struct hak_arena *arena, size_t unit);

/* Is the superslab of that unit the arena's, if there is one? */
void hak_arena_set_own(struct hak_arena *arena, size_t unit, bool own);
bool hak_arena_owns(const struct hak_arena *arena, size_t unit);

/* No run of free grains in the unit's superslab is longer; 0: it has none, or is not the arena's. */
unsigned hak_arena_fit(const struct hak_arena *arena, size_t unit);
void hak_superslab_set_fit(const struct hak_superslab *superslab, unsigned grains);

/* The first unit from @unit on where there may be a run of @grains; arena->end: there is none. */
size_t hak_arena_next_fit(const struct hak_arena *arena, size_t unit, unsigned grains);

static inline bool hak_arena_is_open(const struct hak_arena *arena, size_t unit)
{
	return hak_arena_fit(arena, unit) != 0;
}

/* ---- superslab_descriptor.c -------------------------------------------------------------------------- */

/* A superslab's descriptor, of which nothing is set but its arena, and what says that no run has a descriptor
 * of its own. NULL: no memory. Caller holds the lock, for all of these. */
struct hak_superslab *hak_superslab_take_descriptor(struct hak_arena *arena);
void hak_superslab_drop_descriptor(struct hak_superslab *superslab);

/* The lowest descriptor for a run, all zero; and the reverse. */
struct hak_slab *hak_superslab_take_slab(struct hak_superslab *superslab);
void hak_superslab_drop_slab(struct hak_superslab *superslab, const struct hak_slab *slab);

/* Of a descriptor that has got much to say of free grains no more than that: its idle pages go. */
void hak_superslab_trim_descriptor(struct hak_superslab *superslab);

/* ---- superslab_grains.c ------------------------------------------------------------------------------ */

/* Mark free grains used. Return: how many of them may be resident. */
unsigned hak_superslab_take(struct hak_superslab *superslab, unsigned start, unsigned grains);

/* One touch made all of a huge page resident: what is free there is dirty, whether it was used or not. */
void hak_superslab_mark_dirty(struct hak_superslab *superslab);

/* Mark used grains free, the first @touched of them dirty. */
void hak_superslab_give(struct hak_superslab *superslab, unsigned start, unsigned grains, unsigned touched);

/* A wholly free one goes back to the OS. */
void hak_superslab_unmap(struct hak_superslab *superslab);

/* ---- superslab_huge.c -------------------------------------------------------------------------------- */

/* What runs get counts as fresh from here on: before the first one, and in a child. Syscalls: getrusage. */
void hak_superslab_begin_fresh(void);

/* Advise one that was just mapped, and is not counted yet. Syscalls: madvise, getrusage. */
void hak_superslab_begin_huge(struct hak_superslab *superslab);

/* ---- superslab_purge.c ------------------------------------------------------------------------------- */

/* Something was freed: a purge is due where more is free than was earned; what was earned fades. */
void hak_arena_note_freed(struct hak_arena *arena);

#endif
