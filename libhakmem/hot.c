/* SPDX-License-Identifier: MIT */
#include "hot.h"

#include <string.h>

_Atomic size_t hak_hot_and_out_bytes;

static struct hak_slab *remove_at(struct hak_hot *hot, unsigned index)
{
	struct hak_slab *slab = hot->run[index];

	hot->count--;
	if (index < hot->count)
		memmove(&hot->run[index], &hot->run[index + 1], (hot->count - index) * sizeof(*hot->run));
	/* relaxed: one writer */
	atomic_store_explicit(&hot->bytes, hak_hot_bytes(hot) - ((size_t)slab->grains << HAK_GRAIN_SHIFT),
			      memory_order_relaxed);
	return slab;
}

static bool evict(struct hak_hot *hot, unsigned index)
{
	struct hak_slab *slab = remove_at(hot, index);

	hak_hot_and_out_add(-((size_t)slab->grains << HAK_GRAIN_SHIFT));
	hak_pagemap_set_class(slab->base, 1, HAK_CLASS_FREED);
	return hak_superslab_release(slab, slab->grains);
}

struct hak_slab *hak_hot_take(struct hak_hot *hot, unsigned grains)
{
	for (unsigned i = hot->count; i-- > 0;) {
		if (hot->run[i]->grains < grains || hot->run[i]->grains > grains + grains / 8)
			continue;
		hot->uses++;
		hot->run[i]->size_class = HAK_CLASS_LARGE;
		return remove_at(hot, i);
	}
	return NULL;
}

bool hak_hot_put(struct hak_hot *hot, struct hak_slab *slab)
{
	size_t bytes = (size_t)slab->grains << HAK_GRAIN_SHIFT;
	bool purge_due = false;

	hak_assert(slab->grains <= HAK_HOT_GRAINS_MOST);
	while (!hak_hot_has_room(hot, slab))
		if (evict(hot, 0))
			purge_due = true;
	slab->size_class = HAK_CLASS_FREED;
	hot->run[hot->count++] = slab;
	hot->uses++;
	atomic_store_explicit(&hot->bytes, hak_hot_bytes(hot) + bytes, memory_order_relaxed);
	return purge_due;
}

bool hak_hot_flush(struct hak_hot *hot)
{
	bool purge_due = false;

	while (hot->count)
		if (evict(hot, hot->count - 1))
			purge_due = true;
	return purge_due;
}
