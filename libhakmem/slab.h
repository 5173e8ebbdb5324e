/* SPDX-License-Identifier: MIT */
/*
 * A slab: a run of grains that holds blocks of one size class. Its free state lies out of line, one bit a
 * block, so no link of ours is ever in a user's block, a page of free blocks may be lost, and a second free
 * of a block is seen for certain when the block comes back here.
 *
 *   free + out == carved <= capacity        free == number of bits set
 *
 * Caller holds the lock of the slab's heap, throughout.
 */
#ifndef HAK_SLAB_H
#define HAK_SLAB_H

#include "superslab.h"

/* What hak_slab_put() found. */
enum hak_slab_fault {
	HAK_SLAB_OK,
	HAK_SLAB_DOUBLE_FREE,
	HAK_SLAB_NOT_A_BLOCK, /* inside a block, or never handed out */
};

/* Make a fresh run a slab of @size_class and let the page map know. */
void hak_slab_init(struct hak_slab *slab, unsigned size_class, struct hak_heap *heap);

/* The reverse, before hak_superslab_release(). Return: how many grains from its start may be resident. */
unsigned hak_slab_deinit(struct hak_slab *slab);

/* Blocks that hak_slab_take() could give. */
static inline unsigned hak_slab_available(const struct hak_slab *slab)
{
	return slab->free + (unsigned)slab->capacity - slab->carved;
}

static inline bool hak_slab_is_empty(const struct hak_slab *slab)
{
	return slab->free == slab->carved;
}

/**
 * hak_slab_take() - move blocks out, lowest addresses first
 * @blocks: takes @count blocks in descending order, as a bin that pops from its end wants them
 * @count:  at most hak_slab_available()
 */
void hak_slab_take(struct hak_slab *slab, void **blocks, unsigned count);

/*
 * The block that an offset lies in, by multiplication: offsets are below 2^17 and blocks at most 2^15, so the
 * product's upper half is exact, and its lower half is below the reciprocal just where a block starts
 * (Lemire, Kaser, Kurz: Faster remainder by direct computation, 2019).
 */
static inline uint64_t hak_slab_divide(size_t offset, uint32_t reciprocal)
{
	return offset * (uint64_t)reciprocal;
}

/**
 * hak_slab_put() - take blocks back, as long as they lie in what this slab has carved
 * @blocks: the first lies in the slab's run; @count: at least one
 * @ret_fault: what is wrong with the first that was not taken; HAK_SLAB_OK: it lies elsewhere
 * Return: how many were taken.
 * What is said of the slab is kept in registers: a store into `bits` would have it all loaded again.
 */
static inline size_t hak_slab_put(struct hak_slab *slab, void *const *blocks, size_t count,
				  enum hak_slab_fault *ret_fault)
{
	const size_t carved_bytes = (size_t)slab->carved * slab->block_bytes;
	const uint32_t reciprocal = slab->reciprocal;
	const char *const base = slab->base;
	uint64_t *const bits = slab->bits;
	uint64_t least = slab->hint * UINT64_C(64);
	void *const *next = blocks, *const *const end = blocks + count;
	size_t offset = (size_t)((const char *)*next - base);

	*ret_fault = HAK_SLAB_NOT_A_BLOCK;
	if (hak_unlikely(offset >= carved_bytes))
		return 0;
	do {
		uint64_t product = hak_slab_divide(offset, reciprocal);
		uint64_t index = product >> 32, bit = UINT64_C(1) << index % 64;
		uint64_t *word = &bits[index / 64];

		if (hak_unlikely((uint32_t)product >= reciprocal))
			goto out;
		if (hak_unlikely(*word & bit)) {
			*ret_fault = HAK_SLAB_DOUBLE_FREE;
			goto out;
		}
		*word |= bit;
		if (index < least)
			least = index;
		if (++next == end)
			break;
		offset = (size_t)((const char *)*next - base);
	} while (offset < carved_bytes);
	*ret_fault = HAK_SLAB_OK;
out:
	slab->free = (uint16_t)(slab->free + (next - blocks));
	slab->hint = (uint16_t)(least / 64);
	return (size_t)(next - blocks);
}

/**
 * hak_slab_put_row() - the same, for a row of at least HAK_SLAB_ROW blocks that lie side by side
 * @blocks: may ascend or descend
 * Return: how many of the first blocks were such a row, and taken. 0: they are none, or something is wrong:
 * hak_slab_put() tells.
 */
size_t hak_slab_put_row(struct hak_slab *slab, void *const *blocks, size_t count);

enum { HAK_SLAB_ROW = 8 };

/*
 * Give back the machine pages that no block which is out lies in. Return: false: there are none, or locked
 * ones.
 */
bool hak_slab_give_pages(const struct hak_slab *slab);

/* What hak_slab_put() would find wrong with an address in the slab's run. */
static inline enum hak_slab_fault hak_slab_fault_of(const struct hak_slab *slab, const void *p)
{
	uint64_t product = hak_slab_divide((size_t)((const char *)p - slab->base), slab->reciprocal);
	uint64_t index = product >> 32;

	if (hak_unlikely(index >= slab->carved || (uint32_t)product >= slab->reciprocal))
		return HAK_SLAB_NOT_A_BLOCK;
	return hak_unlikely(slab->bits[index / 64] >> index % 64 & 1) ? HAK_SLAB_DOUBLE_FREE : HAK_SLAB_OK;
}

/* Debug builds: abort unless the equations above hold. */
void hak_slab_check(const struct hak_slab *slab);

#endif
