/* SPDX-License-Identifier: MIT */
/*
 * Large blocks: everything above the size classes, and whatever wants more alignment than they have. Up to
 * HAK_RUN_MAX_BYTES a block is a run of grains in a superslab; above, a mapping of its own in the window,
 * with address space kept free behind it to grow into. Freed ones go through BigCache.
 *
 * Threads: any. errno is preserved.
 */
#ifndef HAK_LARGE_H
#define HAK_LARGE_H

#include "base.h"
#include "hot.h"
#include "tally.h"

/**
 * hak_large_malloc() - a block of whole grains
 * @align: power of two
 * @zero:  the caller needs zeroed memory; fresh pages are not touched for it
 * @hot:   the caller's
 * Return: NULL: no memory.
 */
void *hak_large_malloc(size_t bytes, size_t align, bool zero, struct hak_hot *hot, struct hak_tally *tally);

/*
 * @block: start of a large block, as the page map says
 * @hot:   the caller's, who has looked (hak_hot_look()), or it keeps nothing
 */
void hak_large_free(void *block, struct hak_hot *hot, struct hak_tally *tally);

size_t hak_large_usable(const void *block);

/**
 * hak_large_realloc() - change the size without copying bytes
 * @bytes: more than HAK_SMALL_MAX_BYTES
 * In place where grains or address space behind the block are free, else by moving pages (mremap).
 * Return: the block, perhaps elsewhere; NULL: it cannot be done so, and nothing has changed.
 */
void *hak_large_realloc(void *block, size_t bytes, struct hak_hot *hot, struct hak_tally *tally);

/* Is @block, the start of a large block as the page map says, freed and kept hot? */
bool hak_large_is_free(const void *block);

/*
 * What can be had of the caller's hot runs and mappings alone, without lock and system call: most large
 * blocks of a program that turns over a few sizes. Return: NULL or false where it takes hak_large_malloc() or
 * hak_large_free().
 */
void *hak_large_malloc_hot(size_t bytes, struct hak_hot *hot, struct hak_tally *tally);
bool hak_large_free_hot(void *block, struct hak_hot *hot, struct hak_tally *tally);

#endif
