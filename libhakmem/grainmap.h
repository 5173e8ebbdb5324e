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

static inline void hak_grainmap_set(uint64_t *map, unsigned from, unsigned count, bool value)
{
	while (count) {
		unsigned in_word = 64 - from % 64 < count ? 64 - from % 64 : count;
		uint64_t mask = (in_word == 64 ? UINT64_MAX : (UINT64_C(1) << in_word) - 1) << from % 64;

		if (value)
			map[from / 64] |= mask;
		else
			map[from / 64] &= ~mask;
		from += in_word;
		count -= in_word;
	}
}

static inline unsigned hak_grainmap_count(const uint64_t *map, unsigned from, unsigned count)
{
	unsigned set = 0;

	for (unsigned grain = from; grain < from + count;) {
		unsigned in_word = 64 - grain % 64 < from + count - grain ? 64 - grain % 64
									  : from + count - grain;
		uint64_t mask = in_word == 64 ? UINT64_MAX : (UINT64_C(1) << in_word) - 1;

		set += (unsigned)__builtin_popcountll(map[grain / 64] >> grain % 64 & mask);
		grain += in_word;
	}
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
