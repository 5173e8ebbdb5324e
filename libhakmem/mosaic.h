/* SPDX-License-Identifier: MIT */
/*
 * A mosaic: a slab whose free memory was opened to all classes. Where sizes drift, slabs of the sizes of
 * before empty slowly, and each pins what it has free; as mosaics they serve the sizes of now, and neighbours
 * that were freed merge, whatever their sizes were.
 *
 * A slab becomes one with its blocks in place (hak_mosaic_make()) and stays one until it is empty. Free state
 * lies out of line, as a slab's does, in cells of HAK_ALIGN_BYTES: which are free, and which are the last of
 * a block that is out. A pointer alone tells where in its superslab's descriptor. To the page map all grains
 * are HAK_CLASS_MOSAIC, which has a bin of its own (bins.c): what class a block there has is asked later.
 *
 *   slab->capacity == slab->carved == all cells        slab->free == `free` bits set
 *
 * The slab's own bits stay as they were: who asks about a block without the lock may have read the page map
 * before.
 *
 * Concurrency: caller holds the lock of the slab's heap, but for hak_mosaic_class_of(): the `last` bits of a
 * block change only while the block is nobody's.
 */
#ifndef HAK_MOSAIC_H
#define HAK_MOSAIC_H

#include "slab.h"

enum {
	HAK_MOSAIC_GRAINS_LEAST = 12,
	HAK_MOSAIC_GRAINS_MOST = 16,
	HAK_MOSAIC_CELLS = HAK_MOSAIC_GRAINS_MOST * HAK_GRAIN_BYTES / HAK_ALIGN_BYTES,
	HAK_MOSAIC_MAX_BYTES = 4096, /* blocks that are taken from mosaics */
	HAK_MOSAIC_WORDS_MOST = 8,   /* of 64 cells: the longest that were out when a slab became one */
};
_Static_assert(HAK_MOSAIC_KINDS == 9, "kinds: doublings of cells, up to HAK_MOSAIC_MAX_BYTES");

static inline bool hak_mosaic_is(const struct hak_slab *slab)
{
	return slab->size_class == HAK_CLASS_MOSAIC;
}

/* The list that a mosaic belongs on: doublings of most_cells. */
static inline unsigned hak_mosaic_kind(unsigned cells)
{
	unsigned kind = cells ? 31 - (unsigned)__builtin_clz(cells) : 0;

	return kind < HAK_MOSAIC_KINDS ? kind : HAK_MOSAIC_KINDS - 1;
}

/* Could this slab become one? */
static inline bool hak_mosaic_fits(const struct hak_slab *slab)
{
	return slab->grains >= HAK_MOSAIC_GRAINS_LEAST && slab->grains <= HAK_MOSAIC_GRAINS_MOST &&
	       slab->block_bytes <= HAK_MOSAIC_WORDS_MOST * 64 * HAK_ALIGN_BYTES;
}

/* Open a slab to all classes. */
void hak_mosaic_make(struct hak_slab *slab);

/* The reverse, of an empty one: it is an empty slab again. */
void hak_mosaic_unmake(struct hak_slab *slab);

/**
 * hak_mosaic_take() - move up to @want blocks out, lowest addresses first
 * @blocks: takes them in descending order; has room for @want
 * Blocks are aligned to what divides their size and a cache line, as they are in slabs.
 * Return: how many.
 */
unsigned hak_mosaic_take(struct hak_slab *slab, unsigned size_class, void **blocks, unsigned want);

/* So much is free again (slab->hint) that what was looked for in vain may fit now. */
void hak_mosaic_look_again(struct hak_slab *slab);

static inline bool hak_mosaic_may_have_merged(const struct hak_slab *slab)
{
	return slab->free >= slab->hint;
}

/* What is said of the 64 cells that a block's first is among. */
static inline struct hak_cells *hak_mosaic_word_at(struct hak_superslab *superslab, const void *block)
{
	return &superslab->cells[((uintptr_t)block & (HAK_SUPERSLAB_BYTES - 1)) / HAK_ALIGN_BYTES / 64];
}

static inline struct hak_cells *hak_mosaic_word(const void *block)
{
	return hak_mosaic_word_at(hak_pagemap_owner(block), block);
}

/* @word: the block's. @size_class: HAK_CLASS_MOSAIC: whatever it is. */
enum hak_slab_fault hak_mosaic_put(struct hak_slab *slab, struct hak_cells *word, const void *block,
				   unsigned size_class);

/**
 * hak_mosaic_class_of() - the class of a block that is out
 * Threads: any, no lock. Return: 0: no block is out there.
 */
unsigned hak_mosaic_class_of(const void *block);

/* Set the bits of grains in which a part of a block lies that is out. @grains: a grainmap, clear. */
void hak_mosaic_mark_grains(const struct hak_slab *slab, uint64_t *grains);

/* Of a pointer that is wrong: does it point to what is free? Unlocked; for the message alone. */
bool hak_mosaic_is_free(const void *block);

/* Debug builds: abort unless the equations above hold. */
void hak_mosaic_check(const struct hak_slab *slab);

#endif
