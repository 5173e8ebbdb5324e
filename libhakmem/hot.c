/* SPDX-License-Identifier: MIT */
#include "hot.h"

_Atomic size_t hak_hot_and_out_bytes;

static void add_bytes(struct hak_hot *hot, size_t bytes) /* wraps, so that a negated size subtracts */
{
	/* relaxed: one writer */
	atomic_store_explicit(&hot->bytes, hak_hot_bytes(hot) + bytes, memory_order_relaxed);
}

static struct hak_slab *remove_newest(struct hak_hot *hot, unsigned length)
{
	struct hak_slab *slab = hot->newest[length];

	hot->newest[length] = slab->next;
	if (!slab->next)
		hot->lengths &= ~(UINT64_C(1) << length);
	slab->next = NULL;
	add_bytes(hot, -((size_t)slab->grains << HAK_GRAIN_SHIFT));
	return slab;
}

/* By turns, so that lengths which nobody asks for any more do not stay. */
static bool evict(struct hak_hot *hot)
{
	uint64_t rest = hot->lengths & UINT64_MAX << hot->evict_from;
	unsigned length = (unsigned)__builtin_ctzll(rest ? rest : hot->lengths);
	struct hak_slab *slab = remove_newest(hot, length);

	hot->evict_from = (length + 1) % HAK_HOT_GRAINS_MOST;
	hak_hot_and_out_add(-((size_t)slab->grains << HAK_GRAIN_SHIFT));
	hak_pagemap_set_class(slab->base, 1, HAK_CLASS_FREED);
	return hak_superslab_release(slab, slab->grains);
}

struct hak_slab *hak_hot_take(struct hak_hot *hot, unsigned grains, size_t align_bytes)
{
	struct hak_slab *slab;
	unsigned length;
	uint64_t fits;

	if (grains > HAK_HOT_GRAINS_MOST)
		return NULL;
	fits = hot->lengths & UINT64_MAX << (grains - 1);
	if (!fits)
		return NULL;
	length = (unsigned)__builtin_ctzll(fits);
	if (length + 1 > grains + grains / 8 || (uintptr_t)hot->newest[length]->base & (align_bytes - 1))
		return NULL;
	slab = remove_newest(hot, length);
	slab->size_class = HAK_CLASS_LARGE;
	hot->uses++;
	return slab;
}

bool hak_hot_put(struct hak_hot *hot, struct hak_slab *slab)
{
	unsigned length = slab->grains - 1u;
	bool purge_due = false;

	hak_assert(slab->grains <= HAK_HOT_GRAINS_MOST);
	while (!hak_hot_has_room(hot, slab))
		if (evict(hot))
			purge_due = true;
	slab->size_class = HAK_CLASS_FREED;
	slab->next = hot->newest[length];
	hot->newest[length] = slab;
	hot->lengths |= UINT64_C(1) << length;
	hot->uses++;
	add_bytes(hot, (size_t)slab->grains << HAK_GRAIN_SHIFT);
	return purge_due;
}

bool hak_hot_flush(struct hak_hot *hot)
{
	bool purge_due = false;

	while (hot->lengths)
		if (evict(hot))
			purge_due = true;
	return purge_due;
}
