/* SPDX-License-Identifier: MIT */
/* Which grains of superslabs are used, dirty and lazy, and the sums of that. See superslab_private.h. */
#include "lazy.h"
#include "os.h"
#include "superslab_private.h"

struct hak_arena hak_arenas[HAK_ARENAS];
_Atomic unsigned hak_arenas_used = 1;
_Atomic size_t hak_superslabs_count;
struct hak_fresh hak_fresh;
_Atomic size_t hak_superslabs_mapped;
_Atomic bool hak_superslabs_purge_due;
_Atomic size_t hak_superslabs_beside_bytes;

static void note_fresh(unsigned grains)
{
	hak_lock_acquire(&hak_fresh.lock);
	hak_fresh.grains += grains;
	hak_fresh.runs++;
	hak_lock_release(&hak_fresh.lock);
}

unsigned hak_superslab_take(struct hak_superslab *superslab, unsigned start, unsigned grains)
{
	struct hak_arena *arena = superslab->arena;
	unsigned dirty = 0, lazy = 0, purged = 0;

	for (unsigned word = start / 64; word * 64 < start + grains; word++) {
		uint64_t taken = hak_grainmap_mask(word, start, start + grains);

		dirty += hak_grainmap_bits(superslab->dirty[word] & taken);
		lazy += hak_grainmap_bits(superslab->lazy[word] & taken);
		purged += hak_grainmap_bits(superslab->purged[word] & taken);
		superslab->used[word] |= taken;
		superslab->dirty[word] &= ~taken;
		superslab->lazy[word] &= ~taken;
		superslab->purged[word] &= ~taken;
	}
	if (superslab->free_grains == HAK_SUPERSLAB_GRAINS)
		arena->empty--;
	hak_hold_regret(&arena->hold, lazy + purged);
	if (lazy) {
		arena->lazy_grains -= lazy;
		hak_lazy_take(superslab->base + ((size_t)start << HAK_GRAIN_SHIFT),
			      (size_t)grains << HAK_GRAIN_SHIFT);
	}
	if (!hak_superslab_uses_huge(superslab) && grains > dirty + lazy)
		note_fresh(grains - dirty - lazy);
	superslab->free_grains -= grains;
	arena->free_grains -= grains;
	arena->dirty_grains -= dirty;
	if (superslab->free_grains == 0)
		hak_superslab_set_fit(superslab, 0);
	return dirty + lazy;
}

void hak_superslab_mark_dirty(struct hak_superslab *superslab)
{
	for (unsigned word = 0; word < HAK_GRAIN_WORDS; word++) {
		uint64_t more = ~(superslab->used[word] | superslab->lazy[word] | superslab->dirty[word]);

		superslab->dirty[word] |= more;
		superslab->purged[word] &= ~more;
		superslab->arena->dirty_grains += hak_grainmap_bits(more);
	}
}

void hak_superslab_give(struct hak_superslab *superslab, unsigned start, unsigned grains, unsigned touched)
{
	struct hak_arena *arena = superslab->arena;
	unsigned gap;

	hak_grainmap_set(superslab->used, start, grains, false);
	gap = hak_grainmap_gap(superslab->used, start);
	hak_grainmap_set(superslab->dirty, start, touched, true);
	superslab->free_grains += grains;
	if (hak_arena_fit(arena, hak_superslab_unit(superslab)) < gap)
		hak_superslab_set_fit(superslab, gap);
	arena->free_grains += grains;
	arena->dirty_grains += touched;
	if (superslab->free_grains < HAK_SUPERSLAB_GRAINS)
		return;
	arena->empty++;
	if (touched && hak_superslab_uses_huge(superslab))
		hak_superslab_mark_dirty(superslab);
}

void hak_superslab_unmap(struct hak_superslab *superslab)
{
	struct hak_arena *arena = superslab->arena;

	if (hak_grainmap_next(superslab->lazy, 0, true) < HAK_SUPERSLAB_GRAINS)
		hak_lazy_take(superslab->base, HAK_SUPERSLAB_BYTES);
	hak_superslab_set_fit(superslab, 0);
	arena->ghosts += hak_grainmap_next(superslab->dirty, 0, true) < HAK_SUPERSLAB_GRAINS;
	arena->count--;
	atomic_fetch_sub_explicit(&hak_superslabs_count, 1, memory_order_relaxed);
	arena->empty--;
	arena->free_grains -= HAK_SUPERSLAB_GRAINS;
	arena->dirty_grains -= hak_grainmap_count(superslab->dirty, 0, HAK_SUPERSLAB_GRAINS);
	arena->lazy_grains -= hak_grainmap_count(superslab->lazy, 0, HAK_SUPERSLAB_GRAINS);
	hak_arena_set_own(arena, hak_superslab_unit(superslab), false);
	hak_pagemap_set_owner(superslab->base, HAK_SUPERSLAB_BYTES, NULL);
	hak_pagemap_unmap(superslab->base, HAK_SUPERSLAB_BYTES);
	hak_superslab_drop_descriptor(superslab);
	hak_os_count(HAK_COUNTER_superslab_released, 1);
}
