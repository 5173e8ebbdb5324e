/* SPDX-License-Identifier: MIT */
/*
 * Which slabs become mosaics, and which mosaic serves. Before a class gets a new slab, room is looked for in
 * the mosaics: first in those that may have much in one piece, and not at all where little more than a block
 * of its size was found last, for there much is looked at for one. If there is none, though much lies free in
 * slabs of other classes, the emptiest of those is opened.
 */
#include "heap_private.h"

enum {
	IDLE_BASE_BYTES = 4 << 20, /* free in slabs: no more than this, */
	IDLE_PART = 16,             /* or than a part of what is out, is no fragmentation */
	LOOK_SLABS = 8,            /* on one list */
};

static bool is_fragmented(const struct hak_heap *heap)
{
	size_t out_bytes = atomic_load_explicit(&heap->out_bytes, memory_order_relaxed);
	size_t idle_bytes = hak_heap_idle_bytes(heap);

	return idle_bytes > IDLE_BASE_BYTES && idle_bytes > out_bytes / IDLE_PART;
}

/* How much of it is free, in 256ths. */
static unsigned emptiness(const struct hak_slab *slab)
{
	return slab->carved ? slab->free * 256u / slab->capacity : 0;
}

/* The emptiest of the first few slabs of each class; NULL: none is half empty. */
static struct hak_slab *emptiest(struct hak_heap *heap)
{
	struct hak_slab *found = NULL;
	unsigned most = 127;

	for (unsigned c = 1; c <= HAK_CLASS_SMALL_COUNT; c++) {
		struct hak_slab *slab = heap->class[c].sparse;

		for (unsigned look = 0; slab && look < LOOK_SLABS; slab = slab->next, look++) {
			if (emptiness(slab) <= most || !hak_mosaic_fits(slab))
				continue;
			most = emptiness(slab);
			found = slab;
		}
	}
	return found;
}

static struct hak_slab *open_slab(struct hak_heap *heap)
{
	struct hak_slab *slab = emptiest(heap);

	if (!slab)
		return NULL;
	hak_heap_unlink(heap, slab);
	heap->class[slab->size_class].slabs--;
	hak_mosaic_make(slab);
	heap->class[HAK_CLASS_MOSAIC].slabs++;
	hak_heap_link(heap, slab, HAK_SLAB_MOSAIC + hak_mosaic_kind(slab->most_cells));
	return slab;
}

void hak_heap_place_mosaic(struct hak_heap *heap, struct hak_slab *slab)
{
	bool empty = hak_slab_is_empty(slab);
	unsigned place;

	if (hak_mosaic_may_have_merged(slab))
		hak_mosaic_look_again(slab);
	place = slab->most_cells ? HAK_SLAB_MOSAIC + hak_mosaic_kind(slab->most_cells) : HAK_SLAB_FULL;
	if (!empty && (slab->place == place || slab->place == HAK_SLAB_HOLLOW))
		return;
	if (slab->place != HAK_SLAB_FULL)
		hak_heap_unlink(heap, slab);
	slab->place = HAK_SLAB_FULL;
	if (empty)
		hak_heap_retire(heap, slab);
	else if (place != HAK_SLAB_FULL)
		hak_heap_link(heap, slab, place);
}

static unsigned take_from(struct hak_heap *heap, struct hak_slab *slab, unsigned size_class, void **blocks,
			  unsigned want)
{
	unsigned count = hak_mosaic_take(slab, size_class, blocks, want);

	if (slab->place == HAK_SLAB_HOLLOW) {
		hak_heap_unlink(heap, slab);
		slab->place = HAK_SLAB_FULL;
	}
	hak_heap_place_mosaic(heap, slab);
	return count;
}

unsigned hak_heap_take_mosaic(struct hak_heap *heap, unsigned size_class, void **blocks, unsigned want)
{
	unsigned bytes = hak_size_class[size_class].block_bytes;
	unsigned cells = bytes >> HAK_ALIGN_SHIFT, count = 0;
	struct hak_slab *slab, *next;

	if (bytes > HAK_MOSAIC_MAX_BYTES)
		return 0;
	if (!heap->class[HAK_CLASS_MOSAIC].slabs && !is_fragmented(heap))
		return 0;
	for (unsigned kind = HAK_MOSAIC_KINDS; kind-- > hak_mosaic_kind(cells * 2) && count < want;) {
		slab = heap->mosaics[kind];
		for (unsigned look = 0; slab && look < LOOK_SLABS && count < want; slab = next, look++) {
			next = slab->next;
			if (slab->most_cells >= cells)
				count += take_from(heap, slab, size_class, blocks + count, want - count);
		}
	}
	while (count == 0 && is_fragmented(heap) && (slab = open_slab(heap)))
		count = take_from(heap, slab, size_class, blocks, want);
	slab = heap->class[HAK_CLASS_MOSAIC].hollow;
	if (count == 0 && slab)
		count = take_from(heap, slab, size_class, blocks, want);
	return count;
}
