/* SPDX-License-Identifier: MIT */
#include "hot.h"

_Atomic size_t hak_hot_and_out_bytes[2];
_Atomic unsigned hak_hot_keepers;

/* By turns, so that lengths which nobody asks for any more do not stay. */
static bool evict(struct hak_hot *hot)
{
	uint64_t rest = hot->lengths & UINT64_MAX << hot->evict_from;
	unsigned length = (unsigned)__builtin_ctzll(rest ? rest : hot->lengths);
	struct hak_slab *slab = hak_hot_remove(hot, length);

	hot->evict_from = (length + 1) % HAK_HOT_GRAINS_MOST;
	hak_hot_and_out_sub((size_t)slab->grains << HAK_GRAIN_SHIFT);
	hak_pagemap_set_class(slab->base, 1, HAK_CLASS_FREED);
	return hak_superslab_release(slab, slab->grains);
}

static size_t short_bytes(void)
{
	return atomic_load_explicit(&hak_hot_and_out_bytes[true], memory_order_relaxed);
}

/* Each can empty its own alone, so of n threads that live all together may keep one nth of what one may. */
static size_t most_bytes(void)
{
	size_t part = short_bytes() / HAK_HOT_PART;
	size_t keepers = atomic_load_explicit(&hak_hot_keepers, memory_order_relaxed);

	if (part > HAK_HOT_BYTES && keepers > 1)
		part /= keepers * keepers;
	if (part < HAK_HOT_BYTES)
		return HAK_HOT_BYTES;
	return part < HAK_HOT_BYTES_MOST ? part : HAK_HOT_BYTES_MOST;
}

bool hak_hot_is_much(const struct hak_hot *hot)
{
	size_t bytes = hak_hot_bytes(hot);

	return bytes > HAK_HOT_BYTES && bytes > short_bytes() / HAK_HOT_MUCH_PART;
}

bool hak_hot_put(struct hak_hot *hot, struct hak_slab *slab)
{
	bool purge_due = false;

	hak_assert(slab->grains <= HAK_HOT_GRAINS_MOST);
	hot->most_bytes = most_bytes();
	while (!hak_hot_has_room(hot, slab))
		if (evict(hot))
			purge_due = true;
	hak_hot_keep(hot, slab);
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
