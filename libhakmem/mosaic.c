/* SPDX-License-Identifier: MIT */
#include "mosaic.h"

#include <string.h>

#include "cpu.h"

enum {
	WORD_BITS = 64,
	LINE_CELLS = HAK_LINE_BYTES / HAK_ALIGN_BYTES,
	LOOK_AGAIN_CELLS = 512,
};
_Static_assert((int)HAK_MOSAIC_WORDS_MOST < (int)HAK_CELL_WORDS_BEHIND, "a wrong pointer to the last cell");

static unsigned cells_of(unsigned size_class)
{
	return hak_size_class[size_class].block_bytes >> HAK_ALIGN_SHIFT;
}

/* Its number in its word. */
static unsigned cell_of(const void *p)
{
	return ((uintptr_t)p >> HAK_ALIGN_SHIFT) % WORD_BITS;
}

/* relaxed, both: a block's bits are written before it is handed out, and again when it is nobody's */
static inline uint64_t last_of(const struct hak_cells *word)
{
	return atomic_load_explicit(&word->last, memory_order_relaxed);
}

static inline void flip_last(struct hak_cells *word, uint64_t bits)
{
	atomic_store_explicit(&word->last, last_of(word) ^ bits, memory_order_relaxed);
}

/* The 64 bits from @at on of 128. No branch: where blocks begin, nobody can foresee. */
static inline uint64_t window(uint64_t low, uint64_t high, unsigned at)
{
	return low >> at | high << 1 << (WORD_BITS - 1 - at);
}

/* Cells from one to the end of its block; for what is not in a block any number. */
static inline unsigned length_at(const struct hak_cells *word, unsigned at)
{
	uint64_t last = window(last_of(word), last_of(word + 1), at);
	unsigned cells = 0;

	while (hak_unlikely(!last)) {
		cells += WORD_BITS;
		if (cells > HAK_MOSAIC_WORDS_MOST * WORD_BITS)
			return 0;
		word++;
		last = window(last_of(word), last_of(word + 1), at);
	}
	return cells + (unsigned)__builtin_ctzll(last) + 1;
}

/* First cell from @cell on, before @end, that is not free; @end where there is none. */
static unsigned next_taken(const struct hak_cells *words, unsigned cell, unsigned end)
{
	while (cell < end) {
		uint64_t taken = ~words[cell / WORD_BITS].free >> cell % WORD_BITS;

		if (taken) {
			cell += (unsigned)__builtin_ctzll(taken);
			return cell < end ? cell : end;
		}
		cell = (cell / WORD_BITS + 1) * WORD_BITS;
	}
	return end;
}

/*
 * Turn cells that all are free into a block that is out, or the reverse; the first is @at in @word. No branch
 * asks whether they lie in one word or in two, and nothing is written behind the last: that may be another's.
 */
static inline void flip_block(struct hak_cells *word, unsigned at, unsigned cells)
{
	uint64_t ones = UINT64_MAX;
	struct hak_cells *end;

	for (; hak_unlikely(cells > WORD_BITS); cells -= WORD_BITS, word++) {
		word->free ^= ones << at;
		word[1].free ^= ones >> 1 >> (WORD_BITS - 1 - at);
	}
	ones >>= WORD_BITS - cells;
	end = word + (at + cells - 1) / WORD_BITS;
	word->free ^= ones << at;
	end->free ^= ones >> 1 >> (WORD_BITS - 1 - at);
	flip_last(end, UINT64_C(1) << (at + cells - 1) % WORD_BITS);
}

void hak_mosaic_make(struct hak_slab *slab)
{
	unsigned all = (unsigned)slab->grains << (HAK_GRAIN_SHIFT - HAK_ALIGN_SHIFT);
	unsigned cells = cells_of(slab->size_class), out = slab->carved - slab->free;
	struct hak_cells *words = hak_superslab_cells(slab);

	for (unsigned word = 0; word < all / WORD_BITS; word++) {
		words[word].free = UINT64_MAX;
		atomic_store_explicit(&words[word].last, 0, memory_order_relaxed);
	}
	for (unsigned index = 0; index < slab->carved; index++)
		if (!(slab->bits[index / WORD_BITS] >> index % WORD_BITS & 1))
			flip_block(&words[index * cells / WORD_BITS], index * cells % WORD_BITS, cells);
	slab->most_cells = slab->hint = (uint16_t)all;
	slab->seen_words = slab->seen_class = 0;
	slab->size_class = HAK_CLASS_MOSAIC;
	slab->capacity = slab->carved = (uint16_t)all;
	slab->free = (uint16_t)(all - out * cells);
	hak_pagemap_set_classes(slab->base, slab->grains, HAK_CLASS_MOSAIC);
}

void hak_mosaic_unmake(struct hak_slab *slab)
{
	slab->size_class = (uint8_t)hak_class_of(slab->block_bytes);
	/* As if all had been handed out: any of it may have been written, and all of its own bits be set. */
	slab->capacity = (uint16_t)(((size_t)slab->grains << HAK_GRAIN_SHIFT) / slab->block_bytes);
	slab->carved = slab->free = slab->capacity;
	slab->dirty = 1;
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

/*
 * The blocks of @cells each, at most 64, that start where a bit is set, are out now. They do not overlap, so
 * a multiplication by as many ones makes runs of the starts, in 128 bits.
 */
static inline void flip_blocks(struct hak_cells *word, struct hak_cells *next, uint64_t starts,
			       unsigned cells)
{
	unsigned __int128 runs = (unsigned __int128)starts * (UINT64_MAX >> (WORD_BITS - cells));

	word->free ^= (uint64_t)runs;
	next->free ^= (uint64_t)(runs >> WORD_BITS);
	flip_last(word, starts << (cells - 1));
	flip_last(next, starts >> 1 >> (WORD_BITS - cells));
}

/*
 * Of the rooms for blocks that begin in a word, as many as are wanted. @next_word: what they may reach into.
 * Return: where to go on in @blocks.
 */
static inline void **take_from_word(char *base, struct hak_cells *word, struct hak_cells *next_word,
				    unsigned cells, uint64_t aligned, void **blocks, void **next)
{
	uint64_t starts = aligned & starts_of_runs(word->free, next_word->free, cells), chosen = 0;

	if (!starts)
		return next;
	while (starts && next > blocks) {
		uint64_t first = starts & -starts;

		*--next = base + ((size_t)(unsigned)__builtin_ctzll(starts) << HAK_ALIGN_SHIFT);
		hak_cpu_prefetch_for_write(*next);
		chosen |= first;
		starts &= -(first << 1 << (cells - 1)); /* none overlaps it */
	}
	flip_blocks(word, next_word, chosen, cells);
	return next;
}

/* The same for blocks of more than 64 cells, which are aligned to a line. */
static void **take_long(const struct hak_slab *slab, struct hak_cells *words, unsigned first, unsigned cells,
			void **blocks, void **next)
{
	for (unsigned cell = first; cell < first + WORD_BITS && next > blocks;) {
		unsigned end = cell + cells <= slab->capacity ? next_taken(words, cell, cell + cells)
							       : slab->capacity;

		if (end < cell + cells) {
			cell = (end / LINE_CELLS + 1) * LINE_CELLS;
			continue;
		}
		*--next = slab->base + ((size_t)cell << HAK_ALIGN_SHIFT);
		hak_cpu_prefetch_for_write(*next);
		flip_block(&words[cell / WORD_BITS], cell % WORD_BITS, cells);
		cell += cells;
	}
	return next;
}

/* Where a block of @cells may start. */
static uint64_t aligned_starts(unsigned cells)
{
	return cells % 4 == 0 ? UINT64_C(0x1111111111111111)
	       : cells % 2 == 0 ? UINT64_C(0x5555555555555555) : UINT64_MAX;
}

unsigned hak_mosaic_take(struct hak_slab *slab, unsigned size_class, void **blocks, unsigned want)
{
	struct hak_cells *words = hak_mosaic_word(slab->base), none = {0};
	unsigned cells = cells_of(size_class), all_words = slab->capacity / WORD_BITS, count;
	unsigned word = size_class >= slab->seen_class ? slab->seen_words : 0;
	uint64_t aligned = aligned_starts(cells);
	void **next = blocks + want;

	for (; word < all_words && next > blocks; word++)
		next = cells <= WORD_BITS
			       ? take_from_word(slab->base + (size_t)word * WORD_BITS * HAK_ALIGN_BYTES,
						&words[word], word + 1 < all_words ? &words[word + 1] : &none,
						cells, aligned, blocks, next)
			       : take_long(slab, words, word * WORD_BITS, cells, blocks, next);
	count = (unsigned)(blocks + want - next);
	slab->free = (uint16_t)(slab->free - count * cells);
	slab->seen_class = (uint8_t)size_class;
	slab->seen_words = (uint8_t)(word - (next == blocks && word > 0));
	if (word == all_words && next > blocks) {
		slab->most_cells = (uint16_t)(cells - 1);
		slab->hint = (uint16_t)(slab->free + LOOK_AGAIN_CELLS);
	}
	memmove(blocks, next, count * sizeof(void *));
	return count;
}

/* Does no block that is out reach into a cell from before? The first of a grain may be the slab's first. */
static inline bool is_boundary(const struct hak_slab *slab, const struct hak_cells *word, unsigned at,
			       const void *block)
{
	if (hak_unlikely(block == slab->base))
		return true;
	word -= at == 0;
	return (word->free | last_of(word)) >> (at - 1) % WORD_BITS & 1;
}

enum hak_slab_fault hak_mosaic_put(struct hak_slab *slab, struct hak_cells *word, const void *block,
				   unsigned size_class)
{
	unsigned at = cell_of(block), cells = length_at(word, at);

	if (hak_unlikely(word->free >> at & 1))
		return HAK_SLAB_DOUBLE_FREE;
	if (hak_unlikely(!cells || !is_boundary(slab, word, at, block) ||
			 (size_class != HAK_CLASS_MOSAIC && cells != cells_of(size_class))))
		return HAK_SLAB_NOT_A_BLOCK;
	flip_block(word, at, cells);
	slab->free = (uint16_t)(slab->free + cells);
	return HAK_SLAB_OK;
}

void hak_mosaic_look_again(struct hak_slab *slab)
{
	slab->most_cells = slab->hint = slab->capacity;
	slab->seen_words = 0;
}

unsigned hak_mosaic_class_of(const void *block)
{
	unsigned bytes, c;

	/*
	 * acquire: pairs with the release in write_classes() (pagemap.c), with which hak_mosaic_make() ends.
	 * Where the byte says something else, the pointer is wrong.
	 */
	if (hak_unlikely(hak_pagemap_class_acquire(block) != HAK_CLASS_MOSAIC))
		return 0;
	bytes = length_at(hak_mosaic_word(block), cell_of(block)) << HAK_ALIGN_SHIFT;
	if (hak_unlikely(!bytes || bytes > HAK_SMALL_MAX_BYTES))
		return 0;
	c = hak_class_of(bytes);
	return hak_size_class[c].block_bytes == bytes ? c : 0;
}

void hak_mosaic_mark_grains(const struct hak_slab *slab, uint64_t *grains)
{
	const struct hak_cells *words = hak_mosaic_word(slab->base);
	unsigned cells = HAK_GRAIN_BYTES / HAK_ALIGN_BYTES;

	for (unsigned grain = 0; grain < slab->grains; grain++)
		if (next_taken(words, grain * cells, (grain + 1) * cells) < (grain + 1) * cells)
			hak_grainmap_set(grains, grain, 1, true);
}

bool hak_mosaic_is_free(const void *block)
{
	return hak_mosaic_word(block)->free >> cell_of(block) & 1;
}

void hak_mosaic_check(const struct hak_slab *slab)
{
	const struct hak_cells *words = hak_mosaic_word(slab->base);
	unsigned free = 0, end;

	hak_verify(slab->carved == slab->capacity);
	for (unsigned cell = 0; cell < slab->capacity; cell = end) {
		const struct hak_cells *word = &words[cell / WORD_BITS];
		char *block = slab->base + ((size_t)cell << HAK_ALIGN_SHIFT);

		hak_verify(is_boundary(slab, word, cell % WORD_BITS, block));
		if (hak_mosaic_is_free(block)) {
			end = next_taken(words, cell, slab->capacity);
			free += end - cell;
		} else {
			end = cell + length_at(word, cell % WORD_BITS);
			hak_verify(end > cell && end <= slab->capacity);
			for (unsigned inside = cell; inside < end; inside++)
				hak_verify(!(words[inside / WORD_BITS].free >> inside % WORD_BITS & 1));
		}
	}
	hak_verify(free == slab->free);
}
