/* SPDX-License-Identifier: MIT */
#include "hot.h"

/* The first index of which there are runs, from @from on and then from the beginning; there is one. */
static unsigned next_index(const struct hak_hot *hot, unsigned from)
{
	uint64_t lengths = hot->lengths & UINT64_MAX << from;

	return (unsigned)__builtin_ctzll(lengths ? lengths : hot->lengths);
}

/* By turns, so that lengths which nobody asks for any more do not stay. */
static void evict(struct hak_hot *hot)
{
	unsigned index = next_index(hot, hot->evict_from);
	struct hak_slab *slab = hak_hot_remove(hot, index);

	hot->evict_from = (index + 1) % HAK_RUN_LENGTHS;
	hot->overflowed = true;
	hak_hot_and_out_sub(hot, (size_t)slab->grains << HAK_GRAIN_SHIFT);
	hak_pagemap_set_class(slab->base, HAK_CLASS_FREED);
	hak_superslab_release(slab, slab->grains);
}

/* Of blocks that others free the owner knows nothing, so that it may have more out than there is, or less. */
static size_t longest_bytes(const struct hak_hot *hot)
{
	size_t hot_bytes = hak_hot_bytes(hot) + hak_hot_mapping_bytes(hot);
	ptrdiff_t longest = (ptrdiff_t)(hak_hot_and_out(hot) - hot_bytes) / HAK_HOT_RUN_OUT_PART;
	ptrdiff_t most = (ptrdiff_t)hot->most_bytes / HAK_HOT_RUN_PART;

	if (longest < HAK_HOT_RUN_BYTES)
		longest = HAK_HOT_RUN_BYTES;
	return (size_t)(longest < most ? longest : most);
}

void hak_hot_look(struct hak_hot *hot, unsigned threads)
{
	/* Each can empty its own alone, so together they may keep what one may. */
	size_t part = HAK_HOT_BYTES_MOST / threads, most_bytes = hot->most_bytes;

	if (hot->missed) {
		hot->overflowed = hot->missed = false;
		most_bytes *= 2;
	}
	if (most_bytes > part)
		most_bytes = part;
	hot->part_bytes = part;
	hot->most_bytes = most_bytes > HAK_HOT_BYTES ? most_bytes : HAK_HOT_BYTES;
	hot->longest_bytes = longest_bytes(hot);
}

void hak_hot_put(struct hak_hot *hot, struct hak_slab *slab)
{
	hak_assert(hak_hot_may_keep(hot, slab));
	while (!hak_hot_has_room(hot, slab))
		evict(hot);
	hak_hot_keep(hot, slab);
}

void hak_hot_flush_runs(struct hak_hot *hot)
{
	while (hak_hot_bytes(hot))
		evict(hot);
	hot->overflowed = hot->missed = false;
}

void hak_hot_flush_mappings(struct hak_hot *hot, struct hak_tally *tally)
{
	struct hak_mapping *mapping;

	while ((mapping = hak_hot_take_mapping(hot, hot->wanted_bytes))) {
		hak_hot_and_out_sub(hot, mapping->block_bytes);
		hak_pagemap_set_class(mapping->block, HAK_CLASS_FREED);
		hak_mapping_free(mapping, tally);
	}
}

void hak_hot_flush(struct hak_hot *hot, struct hak_tally *tally)
{
	hak_hot_flush_runs(hot);
	hak_hot_flush_mappings(hot, tally);
}
