/* SPDX-License-Identifier: MIT */
/*
 * Which superslabs may have a run of so many free grains: a bound for each, exact after every search in vain,
 * and a bitmap for each power of two of those whose bound reaches it. So a search reads one word for 64
 * superslabs that have nothing for it.
 */
#include <string.h>

#include "os.h"
#include "superslab_private.h"

enum { FIRST_BLOCKS = 8, BLOCK_UNITS = 64, POWERS = 10 };

struct hak_superslab_fits {
	uint64_t reaches[POWERS]; /* bit: the unit's bound is 1 << index or more */
	uint16_t bound[BLOCK_UNITS];
};
_Static_assert(1 << (POWERS - 1) == HAK_SUPERSLAB_GRAINS, "the last bitmap is of those that are wholly free");

static struct hak_superslab_fits first[FIRST_BLOCKS]; /* of the first GiB, which most processes never leave */
static struct hak_superslab_fits *fits = first;
static size_t fit_units = FIRST_BLOCKS * BLOCK_UNITS;

static unsigned power_of(unsigned grains)
{
	return 31 - (unsigned)__builtin_clz(grains);
}

int hak_superslab_reach_fit(size_t unit)
{
	void *memory;
	int result;

	if (unit < fit_units)
		return 0;
	result = hak_os_map(NULL, HAK_WINDOW_UNITS / BLOCK_UNITS * sizeof(*fits), &memory);
	if (result < 0)
		return result;
	memcpy(memory, first, sizeof(first));
	fits = memory;
	fit_units = HAK_WINDOW_UNITS;
	return 0;
}

unsigned hak_superslab_fit(size_t unit)
{
	return fits[unit / BLOCK_UNITS].bound[unit % BLOCK_UNITS];
}

void hak_superslab_set_fit(size_t unit, unsigned grains)
{
	struct hak_superslab_fits *block = &fits[unit / BLOCK_UNITS];
	uint16_t *bound = &block->bound[unit % BLOCK_UNITS];
	unsigned before = *bound ? power_of(*bound) + 1 : 0, now = grains ? power_of(grains) + 1 : 0;

	*bound = (uint16_t)grains;
	for (unsigned power = now; power < before; power++)
		block->reaches[power] &= ~(UINT64_C(1) << unit % BLOCK_UNITS);
	for (unsigned power = before; power < now; power++)
		block->reaches[power] |= UINT64_C(1) << unit % BLOCK_UNITS;
	if (grains && unit < hak_superslabs.lowest)
		hak_superslabs.lowest = unit;
}

size_t hak_superslab_next_fit(size_t unit, unsigned grains)
{
	unsigned power = power_of(grains);

	for (; unit < hak_superslabs.end; unit = (unit | (BLOCK_UNITS - 1)) + 1) {
		const struct hak_superslab_fits *block = &fits[unit / BLOCK_UNITS];
		uint64_t reach = block->reaches[power] & UINT64_MAX << unit % BLOCK_UNITS;

		for (; reach; reach &= reach - 1) {
			unsigned at = (unsigned)__builtin_ctzll(reach);

			if (block->bound[at] >= grains)
				return unit / BLOCK_UNITS * BLOCK_UNITS + at;
		}
	}
	return hak_superslabs.end;
}
