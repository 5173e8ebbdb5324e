/* SPDX-License-Identifier: MIT */
/* Sets of a superslab's grains, as 512 bits, and the search for runs in them. */
#ifndef HAK_GRAINMAP_H
#define HAK_GRAINMAP_H

#include "base.h"
#include "geometry.h"

enum { HAK_GRAIN_WORDS = HAK_SUPERSLAB_GRAINS / 64 };

static inline bool hak_grainmap_has(const uint64_t *map, unsigned grain)
{
	return map[grain / 64] >> grain % 64 & 1;
}

/* First grain at or above @from whose bit is @value; HAK_SUPERSLAB_GRAINS where there is none. */
static inline unsigned hak_grainmap_next(const uint64_t *map, unsigned from, bool value)
{
	while (from < HAK_SUPERSLAB_GRAINS) {
		uint64_t word = (value ? map[from / 64] : ~map[from / 64]) >> from % 64;

		if (word)
			return from + (unsigned)__builtin_ctzll(word);
		from = (from / 64 + 1) * 64;
	}
	return HAK_SUPERSLAB_GRAINS;
}

/* The bits of @word that stand for grains from @from to before @end; the word has at least one. */
static inline uint64_t hak_grainmap_mask(unsigned word, unsigned from, unsigned end)
{
	unsigned low = from > word * 64 ? from - word * 64 : 0;
	uint64_t mask = UINT64_MAX << low;

	return end - word * 64 < 64 ? mask & ((UINT64_C(1) << (end - word * 64)) - 1) : mask;
}

static inline void hak_grainmap_set(uint64_t *map, unsigned from, unsigned count, bool value)
{
	for (unsigned word = from / 64; word * 64 < from + count; word++) {
		uint64_t mask = hak_grainmap_mask(word, from, from + count);

		map[word] = value ? map[word] | mask : map[word] & ~mask;
	}
}

/* How many bits are set; most often none. (The instruction is younger than the machines that we run on.) */
static inline unsigned hak_grainmap_bits(uint64_t bits)
{
	return bits ? (unsigned)__builtin_popcountll(bits) : 0;
}

static inline unsigned hak_grainmap_count(const uint64_t *map, unsigned from, unsigned count)
{
	unsigned set = 0;

	for (unsigned word = from / 64; word * 64 < from + count; word++)
		set += hak_grainmap_bits(map[word] & hak_grainmap_mask(word, from, from + count));
	return set;
}

/* Length of the run of clear bits that @grain lies in. */
static inline unsigned hak_grainmap_gap(const uint64_t *map, unsigned grain)
{
	unsigned end = hak_grainmap_next(map, grain, true), word = grain / 64;
	uint64_t below = map[word] & ((UINT64_C(1) << grain % 64) - 1);

	while (!below && word > 0)
		below = map[--word];
	return below ? end - (word * 64 + 64 - (unsigned)__builtin_clzll(below)) : end;
}

static inline unsigned hak_grainmap_align(unsigned start, unsigned align)
{
	return (start + align - 1) & ~(align - 1);
}

/**
 * hak_grainmap_find() - the lowest room in the clear bits of a map, best where another has its set
 * @map:     clear: free
 * @prefer:  set: better, as far as free
 * @align:   power of two; the room's start is a multiple of it
 * @ret_longest: length of the longest run of clear bits; set on failure only
 * Return: the first grain; -1 where there is none.
 */
static inline int hak_grainmap_find(const uint64_t *map, const uint64_t *prefer, unsigned count,
				    unsigned align, unsigned *ret_longest)
{
	unsigned longest = 0, end;
	int found = -1;

	for (unsigned start = hak_grainmap_next(map, 0, false); start < HAK_SUPERSLAB_GRAINS;
	     start = hak_grainmap_next(map, end, false)) {
		end = hak_grainmap_next(map, start, true);
		if (end - start > longest)
			longest = end - start;
		if (hak_grainmap_align(start, align) + count > end)
			continue;
		if (found < 0)
			found = (int)hak_grainmap_align(start, align);
		for (unsigned better = hak_grainmap_next(prefer, start, true), better_end;
		     better + count <= end;
		     better = hak_grainmap_next(prefer, better_end, true)) {
			better_end = hak_grainmap_next(prefer, better, false);
			if (better_end > end)
				better_end = end;
			if (hak_grainmap_align(better, align) + count <= better_end)
				return (int)hak_grainmap_align(better, align);
		}
	}
	*ret_longest = longest;
	return found;
}

#endif
