/* SPDX-License-Identifier: MIT */
#include "mosaic.h"

#include <string.h>

#include "cpu.h"

enum {
	WORD_BITS = 64,
	LINE_CELLS = HAK_LINE_BYTES / HAK_ALIGN_BYTES,
	LOOK_AGAIN_CELLS = 512,
};

static unsigned cells_of(unsigned size_class)
{
	return hak_size_class[size_class].block_bytes >> HAK_ALIGN_SHIFT;
}

static unsigned cell_of(const struct hak_slab *slab, const void *p)
{
	return (unsigned)((const char *)p - slab->base) >> HAK_ALIGN_SHIFT;
}

static bool is_free(const struct hak_mosaic *mosaic, unsigned cell)
{
	return mosaic->word[cell / WORD_BITS].free >> cell % WORD_BITS & 1;
}

/* relaxed, both: a block's bits are written before it is handed out, and again when it is nobody's */
static inline uint64_t last_of(const struct hak_mosaic_word *word)
{
	return atomic_load_explicit(&word->last, memory_order_relaxed);
}

static inline void flip_last(struct hak_mosaic *mosaic, unsigned cell)
{
	struct hak_mosaic_word *word = &mosaic->word[cell / WORD_BITS];

	atomic_store_explicit(&word->last, last_of(word) ^ UINT64_C(1) << cell % WORD_BITS,
			      memory_order_relaxed);
}

/* Does no block that is out reach into @cell from before? */
static inline bool is_boundary(const struct hak_mosaic *mosaic, unsigned cell)
{
	const struct hak_mosaic_word *word;

	if (cell == 0)
		return true;
	word = &mosaic->word[--cell / WORD_BITS];
	return (word->free | last_of(word)) >> cell % WORD_BITS & 1;
}

/* The 64 bits from @at on of 128. No branch: where blocks begin, nobody can foresee. */
static inline uint64_t window(uint64_t low, uint64_t high, unsigned at)
{
	return low >> at | high << 1 << (WORD_BITS - 1 - at);
}

/* Cells from @cell to the end of its block; for what is not in a block any number. */
static inline unsigned length_at(const struct hak_mosaic *mosaic, unsigned cell)
{
	const struct hak_mosaic_word *word = &mosaic->word[cell / WORD_BITS];
	uint64_t last = window(last_of(word), last_of(word + 1), cell % WORD_BITS);
	unsigned cells = 0;

	while (hak_unlikely(!last)) {
		cells += WORD_BITS;
		if (cell + cells >= HAK_MOSAIC_CELLS)
			return 0;
		word++;
		last = window(last_of(word), last_of(word + 1), cell % WORD_BITS);
	}
	return cells + (unsigned)__builtin_ctzll(last) + 1;
}

/* First cell from @cell on, before @end, that is not free; @end where there is none. */
static unsigned next_taken(const struct hak_mosaic *mosaic, unsigned cell, unsigned end)
{
	while (cell < end) {
		uint64_t taken = ~mosaic->word[cell / WORD_BITS].free >> cell % WORD_BITS;

		if (taken)
			return cell + (unsigned)__builtin_ctzll(taken);
		cell = (cell / WORD_BITS + 1) * WORD_BITS;
	}
	return end;
}

/* Flip cells, all of which are free, or none is. */
static inline void flip_free(struct hak_mosaic *mosaic, unsigned cell, unsigned cells)
{
	struct hak_mosaic_word *word = &mosaic->word[cell / WORD_BITS];
	unsigned at = cell % WORD_BITS;
	uint64_t ones = UINT64_MAX;

	for (; hak_unlikely(cells > WORD_BITS); cells -= WORD_BITS, word++) {
		word->free ^= ones << at;
		word[1].free ^= ones >> 1 >> (WORD_BITS - 1 - at);
	}
	ones >>= WORD_BITS - cells;
	word->free ^= ones << at;
	word[1].free ^= ones >> 1 >> (WORD_BITS - 1 - at);
}

void hak_mosaic_make(struct hak_slab *slab, struct hak_mosaic *mosaic)
{
	unsigned all = (unsigned)slab->grains << (HAK_GRAIN_SHIFT - HAK_ALIGN_SHIFT);
	unsigned cells = cells_of(slab->size_class);
	unsigned out = slab->carved - slab->free;

	memset(mosaic, 0, sizeof(*mosaic));
	flip_free(mosaic, 0, all);
	for (unsigned index = 0; index < slab->carved; index++) {
		if (slab->bits[index / WORD_BITS] >> index % WORD_BITS & 1)
			continue;
		flip_free(mosaic, index * cells, cells);
		flip_last(mosaic, (index + 1) * cells - 1);
	}
	mosaic->most_cells = mosaic->look_again = (uint16_t)all;
	mosaic->slab_class = slab->size_class;
	mosaic->slab_capacity = slab->capacity;
	mosaic->slab_carved = slab->carved;
	slab->size_class = HAK_CLASS_MOSAIC;
	slab->capacity = slab->carved = (uint16_t)all;
	slab->free = (uint16_t)(all - out * cells);
	slab->hint = 0;
	/* release: pairs with the acquire in hak_mosaic_class_of(); the page map's bytes come after */
	atomic_store_explicit(hak_mosaic_slot(slab), mosaic, memory_order_release);
	hak_pagemap_set_class(slab->base, slab->grains, HAK_CLASS_MOSAIC);
}

struct hak_mosaic *hak_mosaic_unmake(struct hak_slab *slab)
{
	struct hak_mosaic *mosaic = hak_mosaic_of(slab);

	/* relaxed: whoever asks about a block of the slab's later life, was handed it later */
	atomic_store_explicit(hak_mosaic_slot(slab), NULL, memory_order_relaxed);
	slab->size_class = mosaic->slab_class;
	slab->capacity = mosaic->slab_capacity;
	slab->carved = slab->free = mosaic->slab_carved;
	slab->dirty = 1; /* any of it may have been written */
	return mosaic;
}

/* Bits of where @cells free cells begin, among the low 64 of 128; at most 64 cells. */
static inline uint64_t starts_of_runs(uint64_t low, uint64_t high, unsigned cells)
{
	for (unsigned known = 1, step; known < cells; known += step) {
		step = cells - known < known ? cells - known : known;
		low &= window(low, high, step % WORD_BITS);
		high &= high >> step % WORD_BITS;
	}
	return low;
}

/* Of the rooms for blocks that begin in a word, as many as are wanted. Return: where to go on in @blocks. */
static void **take_from_word(struct hak_slab *slab, struct hak_mosaic *mosaic, unsigned first, unsigned cells,
			     uint64_t aligned, void **blocks, void **next)
{
	const struct hak_mosaic_word *word = &mosaic->word[first / WORD_BITS];
	uint64_t starts = aligned & starts_of_runs(word->free, word[1].free, cells);

	while (starts && next > blocks) {
		unsigned at = (unsigned)__builtin_ctzll(starts), cell = first + at;

		*--next = slab->base + ((size_t)cell << HAK_ALIGN_SHIFT);
		flip_free(mosaic, cell, cells);
		flip_last(mosaic, cell + cells - 1);
		starts = at + cells < WORD_BITS ? starts & UINT64_MAX << (at + cells) : 0;
	}
	return next;
}

/* The same for blocks of more than 64 cells, which are aligned to a line. */
static void **take_long(struct hak_slab *slab, struct hak_mosaic *mosaic, unsigned first, unsigned cells,
			void **blocks, void **next)
{
	for (unsigned cell = first; cell < first + WORD_BITS && next > blocks;) {
		unsigned end = next_taken(mosaic, cell, cell + cells);

		if (end < cell + cells) {
			cell = (end / LINE_CELLS + 1) * LINE_CELLS;
			continue;
		}
		*--next = slab->base + ((size_t)cell << HAK_ALIGN_SHIFT);
		flip_free(mosaic, cell, cells);
		flip_last(mosaic, cell + cells - 1);
		cell += cells;
	}
	return next;
}

unsigned hak_mosaic_take(struct hak_slab *slab, unsigned size_class, void **blocks, unsigned want)
{
	struct hak_mosaic *mosaic = hak_mosaic_of(slab);
	unsigned cells = cells_of(size_class), count;
	unsigned cell = (cells >= mosaic->seen_cells ? mosaic->seen_words : 0) * WORD_BITS;
	uint64_t aligned = cells % 4 == 0 ? UINT64_C(0x1111111111111111)
			   : cells % 2 == 0 ? UINT64_C(0x5555555555555555) : UINT64_MAX;
	void **next = blocks + want;

	for (; cell < slab->capacity && next > blocks; cell += WORD_BITS)
		next = cells <= WORD_BITS
			       ? take_from_word(slab, mosaic, cell, cells, aligned, blocks, next)
			       : take_long(slab, mosaic, cell, cells, blocks, next);
	count = (unsigned)(blocks + want - next);
	slab->free = (uint16_t)(slab->free - count * cells);
	mosaic->seen_cells = (uint16_t)cells;
	mosaic->seen_words = (uint16_t)(cell / WORD_BITS - (next == blocks && cell > 0));
	if (cell >= slab->capacity && next > blocks) {
		mosaic->most_cells = (uint16_t)(cells - 1);
		mosaic->look_again = (uint16_t)(slab->free + LOOK_AGAIN_CELLS);
	}
	memmove(blocks, next, count * sizeof(void *));
	return count;
}

enum hak_slab_fault hak_mosaic_put(struct hak_slab *slab, void *block, unsigned size_class)
{
	struct hak_mosaic *mosaic = hak_mosaic_of(slab);
	unsigned cell = cell_of(slab, block), cells = cells_of(size_class);

	if (hak_unlikely(is_free(mosaic, cell)))
		return HAK_SLAB_DOUBLE_FREE;
	if (hak_unlikely(!is_boundary(mosaic, cell) || length_at(mosaic, cell) != cells))
		return HAK_SLAB_NOT_A_BLOCK;
	flip_free(mosaic, cell, cells);
	flip_last(mosaic, cell + cells - 1);
	slab->free = (uint16_t)(slab->free + cells);
	if (hak_unlikely(slab->free >= mosaic->look_again)) {
		mosaic->most_cells = mosaic->look_again = slab->capacity;
		mosaic->seen_words = 0;
		slab->hint = 1;
	}
	return HAK_SLAB_OK;
}

unsigned hak_mosaic_class_of(const void *block)
{
	const struct hak_slab *slab = hak_superslab_run(block);
	_Atomic(struct hak_mosaic *) *slot = hak_mosaic_slot(slab);
	const struct hak_mosaic *mosaic;
	unsigned bytes, c;

	/*
	 * acquire: pairs with the release in hak_mosaic_make(). Where the page map's byte was seen, which is
	 * its last store, this one is on its way.
	 */
	while (!(mosaic = atomic_load_explicit(slot, memory_order_acquire))) {
		if (hak_unlikely(hak_pagemap_class(block) != HAK_CLASS_MOSAIC))
			return 0; /* it is none any more: the pointer is wrong */
		hak_cpu_relax();
	}
	bytes = length_at(mosaic, cell_of(slab, block)) << HAK_ALIGN_SHIFT;
	if (hak_unlikely(!bytes || bytes > HAK_SMALL_MAX_BYTES))
		return 0;
	c = hak_class_of(bytes);
	return hak_size_class[c].block_bytes == bytes ? c : 0;
}

void hak_mosaic_mark_grains(const struct hak_slab *slab, uint64_t *grains)
{
	const struct hak_mosaic *mosaic = hak_mosaic_of(slab);
	unsigned cells = HAK_GRAIN_BYTES / HAK_ALIGN_BYTES;

	for (unsigned grain = 0; grain < slab->grains; grain++)
		if (next_taken(mosaic, grain * cells, (grain + 1) * cells) < (grain + 1) * cells)
			hak_grainmap_set(grains, grain, 1, true);
}

bool hak_mosaic_is_free(const void *block)
{
	const struct hak_slab *slab = hak_superslab_run(block);
	const struct hak_mosaic *mosaic = hak_mosaic_of(slab);

	return mosaic && is_free(mosaic, cell_of(slab, block));
}

void hak_mosaic_check(const struct hak_slab *slab)
{
	const struct hak_mosaic *mosaic = hak_mosaic_of(slab);
	unsigned free = 0, end;

	hak_verify(slab->carved == slab->capacity);
	for (unsigned cell = 0; cell < slab->capacity; cell = end) {
		hak_verify(is_boundary(mosaic, cell));
		if (is_free(mosaic, cell)) {
			end = next_taken(mosaic, cell, HAK_MOSAIC_CELLS + 1);
			free += end - cell;
		} else {
			end = cell + length_at(mosaic, cell);
			hak_verify(end > cell && end <= slab->capacity);
			for (unsigned inside = cell; inside < end; inside++)
				hak_verify(!is_free(mosaic, inside));
		}
	}
	hak_verify(free == slab->free);
}
