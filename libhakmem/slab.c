/* SPDX-License-Identifier: MIT */
#include "slab.h"

#include <string.h>

static unsigned words_of(unsigned blocks)
{
	return (blocks + 63) / 64;
}

void hak_slab_init(struct hak_slab *slab, unsigned size_class, struct hak_heap *heap)
{
	const struct hak_size_class *class = &hak_size_class[size_class];

	slab->block_bytes = class->block_bytes;
	slab->reciprocal = class->reciprocal;
	slab->capacity = (uint16_t)(((size_t)slab->grains << HAK_GRAIN_SHIFT) / class->block_bytes);
	slab->size_class = (uint8_t)size_class;
	slab->hint = (uint16_t)words_of(slab->capacity);
	atomic_store_explicit(&slab->heap, heap, memory_order_relaxed);
	hak_pagemap_set_class(slab->base, slab->grains, size_class);
}

unsigned hak_slab_deinit(struct hak_slab *slab)
{
	size_t touched_bytes = (size_t)slab->carved * slab->block_bytes;

	hak_assert(hak_slab_is_empty(slab));
	hak_pagemap_set_class(slab->base, slab->grains, HAK_CLASS_FOREIGN);
	memset(slab->bits, 0, words_of(slab->carved) * sizeof(*slab->bits));
	return (unsigned)(hak_round_up(touched_bytes, HAK_GRAIN_BYTES) >> HAK_GRAIN_SHIFT);
}

void hak_slab_take(struct hak_slab *slab, void **blocks, unsigned count)
{
	unsigned from_bits = count < slab->free ? count : slab->free;
	unsigned to_carve = count - from_bits;
	unsigned word = slab->hint;
	void **next = blocks + count;

	slab->free = (uint16_t)(slab->free - from_bits);
	while (from_bits) {
		uint64_t bits = slab->bits[word];
		char *base = slab->base + (size_t)word * 64 * slab->block_bytes;

		for (; bits && from_bits; from_bits--, bits &= bits - 1)
			*--next = base + (size_t)(unsigned)__builtin_ctzll(bits) * slab->block_bytes;
		slab->bits[word] = bits;
		if (!bits)
			word++;
	}
	slab->hint = (uint16_t)word;

	char *fresh = slab->base + (size_t)slab->carved * slab->block_bytes;

	slab->carved = (uint16_t)(slab->carved + to_carve);
	for (; to_carve; to_carve--, fresh += slab->block_bytes)
		*--next = fresh;
}

/*
 * The block that @p lies in, by multiplication: offsets are below 2^17 and blocks at most 2^15, so the product's
 * upper half is exact, and its lower half is below the reciprocal just where @p is the block's start (Lemire,
 * Kaser, Kurz: Faster remainder by direct computation, 2019).
 */
static uint64_t divide(const struct hak_slab *slab, const void *p)
{
	return (uint64_t)((const char *)p - slab->base) * slab->reciprocal;
}

static unsigned index_of(const struct hak_slab *slab, const void *p)
{
	return (unsigned)(divide(slab, p) >> 32);
}

enum hak_slab_fault hak_slab_put(struct hak_slab *slab, void *const *blocks, unsigned count,
				 unsigned *ret_count)
{
	enum hak_slab_fault fault = HAK_SLAB_OK;
	size_t slab_bytes = (size_t)slab->grains << HAK_GRAIN_SHIFT;
	unsigned lowest = slab->hint, i;

	for (i = 0; i < count && (size_t)((char *)blocks[i] - slab->base) < slab_bytes; i++) {
		uint64_t product = divide(slab, blocks[i]);
		unsigned index = (unsigned)(product >> 32), word = index / 64;
		uint64_t bit = UINT64_C(1) << index % 64;

		if (hak_unlikely(index >= slab->carved || (uint32_t)product >= slab->reciprocal)) {
			fault = HAK_SLAB_NOT_A_BLOCK;
			break;
		}
		if (hak_unlikely(slab->bits[word] & bit)) {
			fault = HAK_SLAB_DOUBLE_FREE;
			break;
		}
		slab->bits[word] |= bit;
		lowest = word < lowest ? word : lowest;
	}
	slab->hint = (uint16_t)lowest;
	slab->free = (uint16_t)(slab->free + i);
	*ret_count = i;
	return fault;
}

void *hak_slab_block_of(const struct hak_slab *slab, const void *p)
{
	unsigned index = index_of(slab, p);

	return index < slab->carved ? slab->base + (size_t)index * slab->block_bytes : NULL;
}

bool hak_slab_is_out(const struct hak_slab *slab, const void *block)
{
	unsigned index = index_of(slab, block);

	return index < slab->carved && !(slab->bits[index / 64] >> index % 64 & 1);
}

void hak_slab_check(const struct hak_slab *slab)
{
	unsigned set = 0;

	for (unsigned i = 0; i < words_of(slab->carved); i++)
		set += (unsigned)__builtin_popcountll(slab->bits[i]);
	hak_verify(set == slab->free);
	hak_verify(slab->free <= slab->carved && slab->carved <= slab->capacity);
	for (unsigned i = 0; i < slab->hint && i < words_of(slab->carved); i++)
		hak_verify(slab->bits[i] == 0);
}
