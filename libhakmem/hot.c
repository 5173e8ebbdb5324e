/* SPDX-License-Identifier: MIT */
#include "hot.h"

#include <string.h>

static struct hak_slab *remove_at(struct hak_hot *hot, unsigned index)
{
	struct hak_slab *slab = hot->run[index];

	hot->count--;
	memmove(&hot->run[index], &hot->run[index + 1], (hot->count - index) * sizeof(*hot->run));
	/* relaxed: one writer */
	atomic_store_explicit(&hot->bytes, hak_hot_bytes(hot) - ((size_t)slab->grains << HAK_GRAIN_SHIFT),
			      memory_order_relaxed);
	return slab;
}

struct hak_slab *hak_hot_take(struct hak_hot *hot, unsigned grains)
{
	for (unsigned i = hot->count; i-- > 0;) {
		if (hot->run[i]->grains < grains || hot->run[i]->grains > grains + grains / 8)
			continue;
		hot->uses++;
		return remove_at(hot, i);
	}
	return NULL;
}

bool hak_hot_put(struct hak_hot *hot, struct hak_slab *slab)
{
	size_t bytes = (size_t)slab->grains << HAK_GRAIN_SHIFT;
	bool purge_due = false;

	if (slab->grains > HAK_HOT_GRAINS_MOST)
		return hak_superslab_release(slab, slab->grains);
	while (hot->count == HAK_HOT_RUNS || hak_hot_bytes(hot) + bytes > HAK_HOT_BYTES_MOST) {
		struct hak_slab *oldest = remove_at(hot, 0);

		if (hak_superslab_release(oldest, oldest->grains))
			purge_due = true;
	}
	hot->run[hot->count++] = slab;
	hot->uses++;
	atomic_store_explicit(&hot->bytes, hak_hot_bytes(hot) + bytes, memory_order_relaxed);
	return purge_due;
}

bool hak_hot_flush(struct hak_hot *hot)
{
	bool purge_due = false;

	while (hot->count) {
		struct hak_slab *slab = remove_at(hot, hot->count - 1);

		if (hak_superslab_release(slab, slab->grains))
			purge_due = true;
	}
	return purge_due;
}
