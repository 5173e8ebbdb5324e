/* SPDX-License-Identifier: MIT */
#include "slab.h"

#include <string.h>

#include "cpu.h"
#include "mosaic.h"
#include "os.h"

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
	slab->bits = hak_superslab_bits(slab, slab->capacity);
	slab->size_class = (uint8_t)size_class;
	slab->hint = (uint16_t)words_of(slab->capacity);
	atomic_store_explicit(&slab->heap, heap, memory_order_relaxed);
	hak_superslab_share_out(slab);
	hak_pagemap_set_classes(slab->base, slab->grains, size_class);
}

unsigned hak_slab_deinit(struct hak_slab *slab)
{
	size_t touched_bytes = (size_t)slab->carved * slab->block_bytes;
	unsigned touched_grains = (unsigned)(hak_round_up(touched_bytes, HAK_GRAIN_BYTES) >> HAK_GRAIN_SHIFT);

	hak_assert(hak_slab_is_empty(slab));
	hak_pagemap_set_classes(slab->base, slab->grains, HAK_CLASS_FOREIGN);
	memset(slab->bits, 0, words_of(slab->carved) * sizeof(*slab->bits));
	/* What was dirty when it came still is, carved or not. */
	return slab->dirty ? slab->grains : touched_grains;
}

/* Down from @next, so many from @block on. Whoever had them before, they may be cold. */
static void **take_row(void **next, char *block, size_t block_bytes, unsigned count)
{
	for (; count; count--, block += block_bytes) {
		*--next = block;
		hak_cpu_prefetch_for_write(block);
	}
	return next;
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

		if (bits == UINT64_MAX && from_bits >= 64) {
			next = take_row(next, base, slab->block_bytes, 64);
			from_bits -= 64;
			bits = 0;
		}
		for (; bits && from_bits; from_bits--, bits &= bits - 1) {
			*--next = base + (size_t)(unsigned)__builtin_ctzll(bits) * slab->block_bytes;
			hak_cpu_prefetch_for_write(*next);
		}
		slab->bits[word] = bits;
		if (!bits)
			word++;
	}
	slab->hint = (uint16_t)word;
	take_row(next, slab->base + (size_t)slab->carved * slab->block_bytes, slab->block_bytes, to_carve);
	slab->carved = (uint16_t)(slab->carved + to_carve);
}

size_t hak_slab_put_row(struct hak_slab *slab, void *const *blocks, size_t count)
{
	uint64_t product = hak_slab_divide((size_t)((char *)blocks[0] - slab->base), slab->reciprocal);
	size_t first = product >> 32, most, row = 1;
	ptrdiff_t step;

	if (count < HAK_SLAB_ROW || first >= slab->carved || (uint32_t)product >= slab->reciprocal)
		return 0;
	step = (char *)blocks[1] > (char *)blocks[0] ? slab->block_bytes : -(ptrdiff_t)slab->block_bytes;
	most = step > 0 ? slab->carved - first : first + 1;
	if (most > count)
		most = count;
	while (row < most && (char *)blocks[row] - (char *)blocks[row - 1] == step)
		row++;
	if (step < 0)
		first -= row - 1;
	if (row < HAK_SLAB_ROW || hak_grainmap_count(slab->bits, (unsigned)first, (unsigned)row))
		return 0;
	hak_grainmap_set(slab->bits, (unsigned)first, (unsigned)row, true);
	slab->free = (uint16_t)(slab->free + row);
	if (first / 64 < slab->hint)
		slab->hint = (uint16_t)(first / 64);
	return row;
}

/* Which grains of a slab hold a part of a block that is out. */
static void mark_grains(const struct hak_slab *slab, uint64_t *grains)
{
	for (unsigned word = 0; word < words_of(slab->carved); word++) {
		uint64_t out = ~slab->bits[word];

		if (slab->carved - word * 64 < 64)
			out &= (UINT64_C(1) << (slab->carved - word * 64)) - 1;
		for (; out; out &= out - 1) {
			size_t offset = (word * 64 + (size_t)(unsigned)__builtin_ctzll(out)) *
					slab->block_bytes;
			unsigned first = (unsigned)(offset >> HAK_GRAIN_SHIFT);
			unsigned last = (unsigned)((offset + slab->block_bytes - 1) >> HAK_GRAIN_SHIFT);

			hak_grainmap_set(grains, first, last - first + 1, true);
		}
	}
}

bool hak_slab_give_pages(const struct hak_slab *slab)
{
	uint64_t given[HAK_GRAIN_WORDS] = {0};
	unsigned page_grains = (unsigned)(hak_os_page_bytes() >> HAK_GRAIN_SHIFT), from = 0;
	uint64_t out[HAK_GRAIN_WORDS] = {0};
	bool any = false;

	if (hak_mosaic_is(slab))
		hak_mosaic_mark_grains(slab, out);
	else
		mark_grains(slab, out);
	while ((from = hak_grainmap_next(out, from, false)) < slab->grains) {
		unsigned end = hak_grainmap_next(out, from, true);
		unsigned start = hak_grainmap_align(from, page_grains);

		from = end;
		end = (end < slab->grains ? end : slab->grains) & ~(page_grains - 1);
		if (start >= end)
			continue;
		if (hak_os_dontneed(slab->base + ((size_t)start << HAK_GRAIN_SHIFT),
				    (size_t)(end - start) << HAK_GRAIN_SHIFT) < 0)
			return false;
		hak_grainmap_set(given, start, end - start, true);
		any = true;
	}
	if (any)
		hak_superslab_break_up(slab, given);
	return any;
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
